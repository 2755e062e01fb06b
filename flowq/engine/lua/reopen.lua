-- reopen: continues a closed run (a batch of one item) from a state that it kept, in a new generation.
-- ARGV  2 wait_ms  3 state ('': from the start)
-- Returns {'ok', generation, ids…} · {'unchanged', generation}: it runs · {'lost', 0}. A second call is 'unchanged'.
local wait, reached = tonumber(ARGV[2]), ARGV[3]

local state, gen, avail, closed_ms = meta('state', 'gen', 'avail', 'closed_ms')
if not state then return {'lost', 0} end
if not closed(state) then return {'unchanged', gen} end
redis.call('DEL', FAILED, OPEN, PARKED, REDO, WAKE)
for i = 1, OWN_KEYS do redis.call('PERSIST', KEYS[i]) end
redis.call('ZADD', BATCHES, int(now), redis.call('HGET', META, 'id'))
-- The outcome of the previous generation no longer counts.
add('idle_ms', now - closed_ms)
set('state', 'running', 'reason', '', 'gen', int(gen + 1), 'cur', int(avail), 'ok', 0, 'fallback', 0, 'failed', 0)
redis.call('HDEL', SAVED, 'last:0')
if reached ~= '' then redis.call('HSET', SAVED, 'last:0', reached) end
redis.call('RPUSH', REDO, '0-1')
return allocate({'ok', int(gen + 1)}, wait)
