-- pause: allows no start under the given rates for a time, whatever was booked. Never run with lib.lua.
-- KEYS 1… bucket: string "full_at pause_until" in µs (permit.lua)
-- ARGV 1 now in µs, or '' for Redis' own clock  2 pause_us  then for each bucket: step_us  burst
-- A second call never shortens the pause.
local function int(n) return string.format('%.0f', n) end

local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000000 + t[2]
end
local stop = now + tonumber(ARGV[2])

for i = 1, #KEYS do
  local step, burst = tonumber(ARGV[2 * i + 1]), tonumber(ARGV[2 * i + 2])
  local full_at, pause_until = string.match(redis.call('GET', KEYS[i]) or '0 0', '^(%S+) (%S+)$')
  pause_until = math.max(tonumber(pause_until), stop)
  -- The saved-up burst is dropped: after a pause starts come at the even pace.
  full_at = math.max(tonumber(full_at), stop + (burst - 1) * step)
  redis.call('SET', KEYS[i], int(full_at) .. ' ' .. int(pause_until), 'PX', int((full_at - now) / 1000 + 60000))
end
return 1
