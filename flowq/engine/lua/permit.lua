-- permit: books one start under every rate of an item: the generic cell rate algorithm (ITU-T I.371), which keeps one
-- time per key. Never run with lib.lua.
-- KEYS 1 booking: string, µs of a start that is kept for the item   2… bucket: string "full_at pause_until"
-- ARGV 1 now in µs, or '' for Redis' own clock  2 kept_over_us  3 late_us  then for each bucket: step_us  burst  weight
-- Answers the µs until the start. One more than kept_over away is kept: a second call gets the same, until it is near.
-- A start that nobody came for within late_us is lost: those of a long standstill must not all happen at once.

local function int(n) return string.format('%.0f', n) end

local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000000 + t[2]
end
local kept_over, late = tonumber(ARGV[2]), tonumber(ARGV[3])

local buckets, start = {}, now
local paused = 0
for i = 2, #KEYS do
  local at = 3 * i - 2
  local step, burst, weight = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local full_at, pause_until = string.match(redis.call('GET', KEYS[i]) or '0 0', '^(%S+) (%S+)$')
  full_at, pause_until = tonumber(full_at), tonumber(pause_until)
  -- What is heavier than the burst is let through when that is full, and paid for after.
  start = math.max(start, pause_until, full_at + (math.min(weight, burst) - burst) * step)
  paused = math.max(paused, pause_until)
  buckets[i] = {full_at, pause_until, weight * step}
end

local booked = tonumber(redis.call('GET', KEYS[1]) or '')
if booked and booked + late >= now and booked >= paused then
  if booked - now <= kept_over then redis.call('DEL', KEYS[1]) end
  return int(math.max(0, booked - now))
end

for i, bucket in pairs(buckets) do
  local full_at, pause_until, cost = unpack(bucket)
  full_at = math.max(full_at, start) + cost
  local kept_ms = (math.max(full_at, pause_until) - now) / 1000 + 60000
  redis.call('SET', KEYS[i], int(full_at) .. ' ' .. int(pause_until), 'PX', int(kept_ms))
end
if start - now > kept_over then
  redis.call('SET', KEYS[1], int(start), 'PX', int((start - now + late) / 1000))
elseif booked then
  redis.call('DEL', KEYS[1])
end
return int(start - now)
