-- control: what a person or the aggregator decides about a whole batch.
-- ARGV  2 cancel | pause | resume | redrive | confirm  3 wait_ms  4 agg_wait_ms  5 gen (confirm)
-- Answers {'ok' | 'unchanged' | 'lost', state, ids…}. A second call of any of them is 'unchanged'.
local act, wait, agg_wait = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

local state, gen = meta('state', 'gen')
if not state then return {'lost', ''} end
if act ~= 'redrive' then even_when_full() end

if act == 'cancel' then
  if closed(state) then return {'unchanged', state} end
  close('cancelled', agg_wait)
  return {'ok', 'cancelled'}
end

if act == 'pause' then
  if state ~= 'running' then return {'unchanged', state} end
  set('state', 'paused')
  return {'ok', 'paused'}
end

if act == 'resume' then
  if state ~= 'paused' then return {'unchanged', state} end
  set('state', 'running')
  local answer = {'ok', 'running'}
  for _, id in ipairs(redis.call('HKEYS', OPEN)) do
    local r = read(id)
    if r.holder == '-' then
      due_at(id, now + wait)
      answer[#answer + 1] = id
    end
  end
  return allocate(answer, wait)
end

if act == 'confirm' then
  local confirmed = meta('confirmed')
  if tonumber(ARGV[5]) ~= gen or confirmed >= gen then return {'unchanged', state} end
  set('confirmed', int(gen))
  redis.call('ZREM', WAKE, 'agg')
  redis.call('ZREM', BATCHES, redis.call('HGET', META, 'id'))
  return {'ok', state}
end

-- redrive: a new generation of exactly the failed indices, in consecutive ranges.
if not closed(state) then return {'unchanged', state} end
local failed = redis.call('SMEMBERS', FAILED)
if #failed == 0 then return {'unchanged', state} end
for i, v in ipairs(failed) do failed[i] = tonumber(v) end
table.sort(failed)
redis.call('DEL', FAILED, WAKE)
for i = 1, OWN_KEYS do redis.call('PERSIST', KEYS[i]) end
redis.call('ZADD', BATCHES, int(now), redis.call('HGET', META, 'id'))
set('state', 'running', 'gen', int(gen + 1), 'failed', 0, 'size', 1)
local first, last = failed[1], failed[1]
for i = 2, #failed + 1 do
  local index = failed[i]
  if index and index == last + 1 then
    last = index
  else
    redis.call('RPUSH', REDO, int(first) .. '-' .. int(last + 1))
    first, last = index, index
  end
end
return allocate({'ok', 'running'}, wait)
