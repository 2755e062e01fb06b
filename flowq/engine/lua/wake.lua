-- wake: reopens whatever is due and returns it, for the caller to publish.
-- ARGV  2 wait_ms  3 window (0: leave)  4 most ids to answer  5 agg_wait_ms  6 idle (0|1): no message lies in the queue
-- Returns {state, ms until something is due next or '', ids…}; an id may be 'agg': publish the aggregation of this
-- generation. What is due but was left for want of room does not count as due next: the next round opens it.
-- Two callers get disjoint ids: the first call moves their times on and clears their holders.
local wait, window, most, agg_wait = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local idle = ARGV[6] == '1'

local state = meta('state')
if not state then return {'lost', ''} end
local answer = {state, ''}

local function answered()
  local _, at = unpack(redis.call('ZRANGEBYSCORE', WAKE, '(' .. int(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1))
  if at then answer[2] = int(tonumber(at) - now) end
  return answer
end

-- If all that is left of the batch waits for its time or for a fact, the batch is checked next when the first of that
-- is due. A child batch must follow changes of its parent soon, which end its rest: `rouse_inner`.
local function rest()
  local cur, avail, retention, id = meta('cur', 'avail', 'retention_ms', 'id')
  if cur < avail or redis.call('EXISTS', OPEN, REDO) > 0 then return end
  local due = state == 'paused' and '(' .. int(now) or '-inf'  -- in a paused batch only later times count
  local _, at = unpack(redis.call('ZRANGEBYSCORE', WAKE, due, '+inf', 'WITHSCORES', 'LIMIT', 0, 1))
  set('asleep', 1)
  local look = now + math.min(REST_MS, math.floor(retention / LOOKS))
  redis.call('ZADD', BATCHES, 'XX', int(math.min(look, tonumber(at) or look)), id)
end

local function cancelled(reason)
  close('cancelled', agg_wait, reason)
  answer[1] = 'cancelled'
  return answered()
end

local function is_due(id)
  local at = redis.call('ZSCORE', WAKE, id)
  return at and tonumber(at) <= now
end

if closed(state) then
  if is_due('agg') then
    due_at('agg', now + agg_wait)
    answer[3] = 'agg'
  end
  return answered()
end
if is_late() then return cancelled('deadline') end
if state == 'paused' then
  even_when_full()
  rest()
  return answered()
end
if window > 0 then set('window', int(window)) end
if idle and (meta('spare') or 0) > 0 then set('spare', '0') end

if is_due('feed') then
  redis.call('ZREM', WAKE, 'feed')
  local sealed, retention = meta('sealed', 'retention_ms')
  if sealed == 0 then due_at('orphan', now + retention) end
end
if is_due('orphan') then
  redis.call('ZREM', WAKE, 'orphan')
  if not redis.call('ZSCORE', WAKE, 'feed') then
    -- No producer has fed the batch for the time of its retention.
    return cancelled('orphan')
  end
end

-- Looked up one by one: in a range of `wake` by time, any number of parked items could come before them.
for _, id in ipairs(redis.call('HKEYS', OPEN)) do
  if #answer > most + 1 then break end
  local due = is_due(id)
  local r = (due or idle) and read(id)
  if idle and not due and r.holder == '-' then
    -- Waits get long for messages in a long queue. From an empty one the message was lost, or nobody there can run it.
    due = sent_at(id, r) + math.min(r.wait, IDLE_WAIT_MS) <= now
  end
  if due then
    if r.holder ~= '-' then
      r.losses = r.losses + 1
      add('losses', 1)
      if r.losses >= SOLO_AFTER_LOSSES then r.solo = 1 end
      r.holder, r.wait = '-', wait
    else
      -- 0: the record was not published yet, but waited for its time.
      r.wait = r.wait == 0 and wait or math.min(r.wait * 2, MAX_WAIT_MS)
    end
    write(id, r)
    due_at(id, now + r.wait)
    answer[#answer + 1] = id
  end
end
allocate(answer, wait)
rest()
return answered()
