-- permit: books one start under every rate of an item, by the generic cell rate algorithm (ITU-T I.371): it stores one
-- time per key. Never run with lib.lua.
-- KEYS 1 booking: string "start taken", in µs, and for each bucket 1 if it is booked   2… bucket: string "full_at pause_until"
-- ARGV 1 now in µs, or '' for Redis' own clock  2 kept_over_us  3 late_us  4 together_over_us
--      then for each bucket: step_us  burst  weight
-- Returns {µs until the start, 1 if that is final}; if it is not, the item asks again then, and its booking is kept.
-- Of several rates only the one with the longest wait is booked at first, the others when that time has come: booking a
-- future time for one key under a rate that is shared would make all other keys wait for it.
-- A start that is not used within late_us is lost: after a long standstill those starts must not all happen at once.

local function int(n) return string.format('%.0f', n) end

local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000000 + t[2]
end
local kept_over, late, together_over = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local n, paused, buckets = #KEYS - 1, 0, {}
for i = 1, n do
  local at = 3 * i + 2
  local step, burst, weight = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local full_at, pause_until = string.match(redis.call('GET', KEYS[i + 1]) or '0 0', '^(%S+) (%S+)$')
  full_at, pause_until = tonumber(full_at), tonumber(pause_until)
  paused = math.max(paused, pause_until)
  -- A weight above the burst is let through when the bucket is full, and delays later starts.
  local earliest = math.max(pause_until, full_at + (math.min(weight, burst) - burst) * step)
  buckets[i] = {full_at = full_at, pause_until = pause_until, cost = weight * step, earliest = earliest}
end

local start, taken = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+)$')
start = tonumber(start)
if not start or start + late < now or start < paused then start, taken = now, string.rep('0', n) end
if start - now > kept_over then return {int(start - now), 0} end
start = math.max(start, now)

local begin, last, left = start, 0, 0
for i = 1, n do
  if string.sub(taken, i, i) == '0' then
    left = left + 1
    if last == 0 or buckets[i].earliest > buckets[last].earliest then last = i end
    begin = math.max(begin, buckets[i].earliest)
  end
end
local alone = left > 1 and begin - start > together_over
local booked = {}
for i, bucket in ipairs(buckets) do
  booked[i] = string.sub(taken, i, i)
  if booked[i] == '0' and (not alone or i == last) then
    local full_at = math.max(bucket.full_at, begin) + bucket.cost
    local kept_ms = (math.max(full_at, bucket.pause_until) - now) / 1000 + 60000
    redis.call('SET', KEYS[i + 1], int(full_at) .. ' ' .. int(bucket.pause_until), 'PX', int(kept_ms))
    booked[i] = '1'
  end
end
if not alone and begin - now <= kept_over then
  redis.call('DEL', KEYS[1])
  return {int(begin - now), 1}
end
redis.call('SET', KEYS[1], int(begin) .. ' ' .. table.concat(booked), 'PX', int((begin - now + late) / 1000))
return {int(begin - now), 0}
