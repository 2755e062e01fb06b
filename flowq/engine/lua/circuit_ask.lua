-- circuit_ask: whether a try may begin. Once an open circuit's time is over, one try is its probe. Never with lib.lua.
-- KEYS 1 circuit: hash failures, opened (ms; absent: closed), probe, probe_until
-- ARGV 1 now in ms, or '' for Redis' own clock  2 ticket  3 reset_ms  4 ask_again_ms
-- Returns {ms to wait before asking again (0: go on), failures in a row, 1 if the ticket is the probe}
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local ticket, reset, again = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

local failures, opened, probe, probe_until =
  unpack(redis.call('HMGET', KEYS[1], 'failures', 'opened', 'probe', 'probe_until'))
if not opened then return {0, tonumber(failures or 0), 0} end
local closed_at = tonumber(opened) + reset
if now < closed_at then return {closed_at - now, tonumber(failures), 0} end
-- A probe that never reports delays the others as long as the circuit was open.
if probe and now < tonumber(probe_until) then return {math.min(tonumber(probe_until) - now, again), tonumber(failures), 0} end
redis.call('HSET', KEYS[1], 'probe', ticket, 'probe_until', string.format('%.0f', now + reset))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.max(3600000, 10 * reset)))
return {0, tonumber(failures), 1}
