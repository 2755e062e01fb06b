-- circuit_tell: reports how a try went. Never run with lib.lua.
-- KEYS 1 circuit: hash failures, opened (ms; absent: closed), probe, probe_until
-- ARGV 1 now in ms, or '' for Redis' own clock  2 ticket  3 ok | failed  4 failures that open it  5 reset_ms
-- Returns {ms that it stays open (0: it is closed), failures in a row}
-- While a circuit is open only the probe's outcome counts; the other tries began before it was opened.
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local ticket, went, most, reset = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])

local opened, probe = unpack(redis.call('HMGET', KEYS[1], 'opened', 'probe'))
if opened and ticket ~= probe then
  return {math.max(0, tonumber(opened) + reset - now), tonumber(redis.call('HGET', KEYS[1], 'failures'))}
end
if went == 'ok' then
  redis.call('DEL', KEYS[1])
  return {0, 0}
end
local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.max(3600000, 10 * reset)))
if failures < most and not opened then return {0, failures} end
redis.call('HSET', KEYS[1], 'opened', string.format('%.0f', now))
redis.call('HDEL', KEYS[1], 'probe', 'probe_until')
return {reset, failures}
