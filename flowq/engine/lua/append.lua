-- append: items are written once, at the place the producer believes it stands; the first window goes out.
-- ARGV  2 at  3 n  4 sealed (0|1)  5 window (0: leave)  6 wait_ms  7 agg_wait_ms  8 feed_ms  9 page blob ('' when n = 0)
--       10… field, value pairs of meta, used when the batch does not exist yet (none: it must exist)
-- Answers {'ok', avail, closing state or '', ids…} · {'elsewhere', avail} · {'closed', state, avail} · {'lost'}
-- A second call with the same `at` answers 'elsewhere' with the new avail: the input is never doubled.
local at, n, sealed, window = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local wait, agg_wait, feed = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])

if redis.call('EXISTS', META) == 0 then
  if #ARGV < 10 then return {'lost'} end
  set('state', 'running', 'gen', 0, 'cur', 0, 'avail', 0, 'sealed', 0, 'window', 1, 'weight', 0, 'ok', 0,
    'fallback', 0, 'failed', 0, 'retried', 0, 'crashes', 0, 'losses', 0, 'confirmed', -1, 'created_ms', int(now))
  set(unpack(ARGV, 10))
  begin_deadline()
  local id = redis.call('HGET', META, 'id')
  redis.call('ZADD', BATCHES, int(now), id)
  local kind = meta('kind') or 'batch'
  -- An item's own batches are found through it; a list of them would hide what people submitted.
  if kind ~= 'child' then redis.call('ZADD', CATALOG, int(now), kind .. ':' .. id) end
end

local state, avail, was_sealed = meta('state', 'avail', 'sealed')
if closed(state) then return {'closed', state, avail} end
if at ~= avail or was_sealed == 1 then return {'elsewhere', avail, was_sealed} end

if n > 0 then
  redis.call('HSET', PAGES, int(at), ARGV[9])
  redis.call('ZADD', INDEX, int(at), int(at))
  if meta('stream') == 1 then redis.call('HSET', LEFT, int(at), int(n)) end
  set('avail', int(at + n))
end
if window > 0 then set('window', int(window)) end
redis.call('ZREM', WAKE, 'orphan')
if sealed == 1 then
  set('sealed', 1)
  redis.call('ZREM', WAKE, 'feed')
else
  due_at('feed', now + feed)
end

local ended = settle(agg_wait)
local answer = {'ok', at + n, ended or ''}
if not ended then allocate(answer, wait) end
return answer
