-- tell: stores a fact that an item may wait for; an item that waits for it is due at once.
-- ARGV  2 wait_ms  3 fact | event  4 name  5 value
-- A fact is stored once, however often it is told; each event is a new fact: the n-th of a name is event:name:n, and
-- at:event:name:n is its number among all events.
-- Returns {'ok', state, name of the fact, ids…} · {'gone', state} · {'lost', ''}
local wait, kind, name, value = tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]

local state = meta('state')
if not state then return {'lost', ''} end
if closed(state) then return {'gone', state} end
if kind == 'event' then
  name = 'event:' .. name .. ':' .. int(redis.call('HINCRBY', FACTS, 'sent:' .. name, 1) - 1)
  redis.call('HSET', FACTS, 'at:' .. name, int(redis.call('HINCRBY', FACTS, 'sent', 1)))
end
redis.call('HSETNX', FACTS, name, value)
local id = redis.call('HGET', WAITS, name)
if id then
  redis.call('HDEL', WAITS, name)
  due_at(id, now)
end
return allocate({'ok', state, name}, wait)
