-- control: what a user or the aggregator decides about a whole batch.
-- ARGV  2 cancel | expire | pause | rest | resume | redrive | confirm  3 wait_ms  4 agg_wait_ms  5 gen (confirm)
--       6 feed_ms of a caller that appends the items which a close kept from being written (redrive; 0: nobody does)
-- Returns {'ok' | 'unchanged' | 'lost' | 'gone' (redrive: no items stored), state, ids…}. A second call: 'unchanged'.
local act, wait, agg_wait = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

local state, gen = meta('state', 'gen')
if not state then return {'lost', ''} end
if act ~= 'redrive' then even_when_full() end

if act == 'cancel' then
  if closed(state) then return {'unchanged', state} end
  close('cancelled', agg_wait)
  return {'ok', 'cancelled'}
end

if act == 'expire' then
  if closed(state) or not is_late() then return {'unchanged', state} end
  close('cancelled', agg_wait, 'deadline')
  return {'ok', 'cancelled'}
end

-- 'rest' pauses a batch while its parent is paused; a batch that a user paused stays paused after that.
if act == 'pause' or act == 'rest' then
  if state == 'paused' and act == 'pause' then set('rests', '0') end
  if state ~= 'running' then return {'unchanged', state} end
  set('state', 'paused', 'rests', act == 'rest' and '1' or '0')
  rouse_inner()
  return {'ok', 'paused'}
end

if act == 'resume' then
  if state ~= 'paused' then return {'unchanged', state} end
  set('state', 'running', 'spare', '0')  -- all that wait are published
  rouse_inner()
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
  -- A batch that runs has not ended, whatever its aggregator read: a caretaker still has to check it.
  if not closed(state) or tonumber(ARGV[5]) ~= gen or confirmed >= gen then return {'unchanged', state} end
  confirm(gen)
  return {'ok', state}
end

-- redrive: starts a new generation of all items without a good outcome: failed ones, and those cut off by the close.
if not closed(state) then return {'unchanged', state} end
-- A million failed items take about a second, because numbers are sorted as numbers and calls are few.
local starts, stops = {}, {}
local function again(start, stop)
  starts[#starts + 1] = start
  if stop > start + 1 then stops[start] = stop end
end
-- The item will continue from its saved state.
local function go_on(id, start)
  local reached = redis.call('HGET', SAVED, id)
  if reached then redis.call('HSET', SAVED, 'last:' .. int(start), reached) end
  if meta('keeps') ~= 1 then redis.call('HDEL', SAVED, id) end
end

for _, index in ipairs(redis.call('SMEMBERS', FAILED)) do again(tonumber(index), tonumber(index) + 1) end
for _, id in ipairs(redis.call('HKEYS', OPEN)) do
  local _, _, stop = range_of(id)
  local from = read(id).from
  again(from, stop)
  go_on(id, from)
end
for _, id in ipairs(redis.call('HKEYS', PARKED)) do
  local _, start, stop = range_of(id)
  again(start, stop)
  go_on(id, start)
end
for _, range in ipairs(redis.call('LRANGE', REDO, 0, -1)) do
  local start, stop = string.match(range, '^(%d+)-(%d+)$')
  again(tonumber(start), tonumber(stop))
end
local cur, avail, size, fixed, in_flight, closed_ms = meta('cur', 'avail', 'size', 'fixed', 'in_flight', 'closed_ms')
local again_any, feed = #starts > 0 or cur < avail, tonumber(ARGV[6])
local feeds = feed > 0 and redis.call('HEXISTS', META, 'cut') == 1
if not again_any and not feeds then return {'unchanged', state} end
-- The stored items were dropped: the batch was cancelled because its producer could not write all of them.
if again_any and redis.call('EXISTS', INDEX) == 0 then return {'gone', state} end

redis.call('DEL', FAILED, OPEN, PARKED, REDO, WAKE)
for i = 1, OWN_KEYS do redis.call('PERSIST', KEYS[i]) end
redis.call('ZADD', BATCHES, int(now), redis.call('HGET', META, 'id'))
add('idle_ms', now - closed_ms)
-- As in an inline run: however many items fail again, the others still run.
set('state', 'running', 'reason', '', 'gen', int(gen + 1), 'failed', 0, 'budget', -1, 'share', -1)
if fixed == 0 then set('size', in_flight or size) end
table.sort(starts)
local first, last
local ranges = {}
for _, start in ipairs(starts) do
  if start ~= last then
    if first then ranges[#ranges + 1] = int(first) .. '-' .. int(last) end
    first = start
  end
  last = stops[start] or start + 1
  if #ranges == 1000 then
    redis.call('RPUSH', REDO, unpack(ranges))
    ranges = {}
  end
end
if first then
  ranges[#ranges + 1] = int(first) .. '-' .. int(last)
  redis.call('RPUSH', REDO, unpack(ranges))
end
begin_deadline()
if feeds then
  set('sealed', 0)
  redis.call('HDEL', META, 'cut')
  due_at('feed', now + feed)
end
return allocate({'ok', 'running'}, wait)
