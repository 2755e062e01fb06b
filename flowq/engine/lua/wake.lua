-- wake: whatever is due is made ready again and answered, for the caller to publish.
-- ARGV  2 wait_ms  3 window (0: leave)  4 most ids to answer  5 agg_wait_ms
-- Answers {state, ids…}; an id may be 'agg': publish the aggregation of this generation.
-- Two callers get disjoint ids: the first moves their time on and clears their holder.
local wait, window, most, agg_wait = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])

local state = meta('state')
if not state then return {'lost'} end
local answer = {state}
local due = redis.call('ZRANGEBYSCORE', WAKE, '-inf', int(now), 'LIMIT', 0, most)
if closed(state) then
  if due[1] == 'agg' then
    due_at('agg', now + agg_wait)
    answer[2] = 'agg'
  end
  return answer
end
if state == 'paused' then return answer end
if window > 0 then set('window', int(window)) end

local places, items = room()
for _, id in ipairs(due) do
  local r = read(id)
  if id == 'feed' then
    redis.call('ZREM', WAKE, 'feed')
    local sealed, retention = meta('sealed', 'retention_ms')
    if sealed == 0 then due_at('orphan', now + retention) end
  elseif id == 'orphan' then
    redis.call('ZREM', WAKE, 'orphan')
    if not redis.call('ZSCORE', WAKE, 'feed') then
      -- Nobody has fed it on for as long as it would be kept had it ended.
      close('cancelled', agg_wait)
      return {'cancelled'}
    end
  elseif r then
    if r.holder ~= '-' then
      r.losses = r.losses + 1
      add('losses', 1)
      if r.losses >= SOLO_AFTER_LOSSES then r.solo = 1 end
      r.holder, r.wait = '-', wait
    else
      r.wait = math.min(r.wait * 2, MAX_WAIT_MS)
    end
    write(id, r)
    due_at(id, now + r.wait)
    answer[#answer + 1] = id
  else
    local parked = redis.call('HGET', PARKED, id)
    if not parked then
      redis.call('ZREM', WAKE, id)
    elseif places > 0 and items > 0 then
      local _, start = range_of(id)
      local attempts = string.match(parked, '^(%d+)')
      redis.call('HDEL', PARKED, id)
      open(id, fresh(start, wait, tonumber(attempts)))
      due_at(id, now + wait)
      answer[#answer + 1] = id
      places, items = places - 1, items - 1
    end
  end
end
return allocate(answer, wait)
