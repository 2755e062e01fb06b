-- commit: in one step stores the outcomes of from … upto, advances the chunk, opens new chunks and may close the batch.
-- ARGV  2 id  3 from  4 upto  5 holder  6 lease_ms  7 wait_ms  8 agg_wait_ms  9 size (0: leave)
--       10 floor  11 blob  12 part ('' none)  13 ok  14 fallback  15 failed  16 retried
--       17 give ('' | 'back' | 'crash' | 'overtime' | 'hand' | 'wait MS'): the rest of the range, from upto, is free
--          again; with 'wait' it is published after MS, for any holder
--       18 number of failed indices f, then f indices
--       then number of parked p, then p × (index, attempts, due_ms from now (< 0: never), reason, facts or '', state or '')
--       then number of split s, then s × (index, state or ''): items that run on, each as a record of the same holder
--       then the most chunks that a rate keeps busy (0: leave)
--       then whether this holder takes another chunk (0|1), then fields of meta to return with that
-- Returns {'ok', closing state or '', whether any chunk was opened (0|1), {} or the reply of `lend` for the chunk that
--          the holder takes, ids to publish…}
--       · {'stale', from} · {'gone'} · {'busy'}
-- A second call of the same commit is 'stale' or 'gone': outcomes are stored once because from is compared and set. The
-- chunk that the first call lent is then held by a caller that does not know it, until its lease expires.
local id, from, upto, holder = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local lease, wait, agg_wait = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local size, least, blob, part, give = tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11], ARGV[12], ARGV[17]

local state = meta('state')
local r = state and not closed(state) and read(id)
if not r then return {'gone'} end
if r.from ~= from then return {'stale', r.from} end
-- A caller that only gives a range back must hold it: another holder may have it by now.
if r.holder ~= holder then
  if upto == from then return {'busy'} end
  give = ''
end

local gen, start, stop, k = range_of(id)
local cursor = 18
local function following()
  local n = tonumber(ARGV[cursor])
  cursor = cursor + 1
  return n
end

local goes_on  -- the fields to return with the next chunk of this holder; nil: it takes none
if upto == from then even_when_full() end
if size > 0 then
  if meta('fixed') == 0 then set('size', int(size), 'floor', int(least)) end
end

if upto > from then
  local field = id_of(gen, from, upto, 0) .. '~' .. int(k)
  if blob ~= '' then
    redis.call('HSETNX', OUT, field, blob)
    redis.call('XADD', LINE, '*', 'out', field)
    if meta('keyed') == 1 then redis.call('ZADD', PLACE, int(gen * GEN + from), field) end
  end
  if part ~= '' then redis.call('HSETNX', PART, field, part) end
  add('ok', tonumber(ARGV[13]))
  add('fallback', tonumber(ARGV[14]))
  add('failed', tonumber(ARGV[15]))
  add('retried', tonumber(ARGV[16]))
  local kept = {}
  for _ = 1, following() do
    redis.call('SADD', FAILED, ARGV[cursor])
    kept[#kept + 1] = tonumber(ARGV[cursor])
    local reached = k > 0 and redis.call('HGET', SAVED, id)
    if reached then redis.call('HSET', SAVED, 'last:' .. ARGV[cursor], reached) end
    cursor = cursor + 1
  end
  for _ = 1, following() do
    local index, attempts, due, reason = tonumber(ARGV[cursor]), ARGV[cursor + 1], tonumber(ARGV[cursor + 2]), ARGV[cursor + 3]
    park(id_of(gen, index, index + 1, k + 1), attempts, due, reason, ARGV[cursor + 4], ARGV[cursor + 5])
    kept[#kept + 1] = index
    cursor = cursor + 6
  end
  for _ = 1, following() do
    local index, reached = tonumber(ARGV[cursor]), ARGV[cursor + 1]
    local split = id_of(gen, index, index + 1, k + 1)
    if reached == '' and k > 0 then reached = redis.call('HGET', SAVED, id) or '' end
    if reached ~= '' then redis.call('HSET', SAVED, split, reached) end
    if k >= MOST_STEPS then redis.call('HDEL', SAVED, id_of(gen, index, index + 1, k + 1 - MOST_STEPS)) end
    -- A durable run continues as that record, in its slot.
    local record = fresh(index, meta('keeps') == 1 and lease or 0, r.attempts)
    record.holder, record.claims = r.holder, r.claims
    open(split, record)
    due_at(split, now + lease)
    kept[#kept + 1] = index
    cursor = cursor + 2
  end
  release(from, upto, kept)
  local most = following()
  if most > 0 then set('most', int(most)) end
  if following() == 1 then goes_on = {unpack(ARGV, cursor)} end
  pass(id, r, upto)
  r.crashes, r.losses, r.attempts, r.overtime = 0, 0, 0, 0
end

local answer = {'ok', '', 0, {}}
if upto == stop then
  shut(id, r)
elseif give == '' then
  write(id, r)
  if r.holder == holder then due_at(id, now + lease) end
elseif string.sub(give, 1, 4) == 'wait' then
  -- Nothing is published: the record stays in `wake` until its items are due.
  r.holder, r.wait = '-', 0
  write(id, r)
  due_at(id, now + tonumber(string.sub(give, 6)))
elseif upto == from or r.solo == 1 then
  -- The same record without a holder: crashes and losses belong to the item at `from`.
  if give == 'crash' or give == 'overtime' then
    -- Which of several items it was is unknown: from now on they run one by one, so that the next crash identifies it.
    if r.solo == 1 or stop - r.from == 1 then
      r.crashes = r.crashes + 1
      if give == 'overtime' then r.overtime = 1 end
    end
    r.solo = 1
    add('crashes', 1)
  end
  r.holder, r.wait = '-', wait
  write(id, r)
  due_at(id, now + wait)
  answer[5] = id
else
  shut(id, r)
  redis.call('LPUSH', REDO, int(upto) .. '-' .. int(stop))
end

local ended = settle(agg_wait)
if ended then return {'ok', ended, 0, {}} end
if not goes_on or state ~= 'running' or is_late() then
  local before = redis.call('HLEN', OPEN)
  allocate(answer, wait)
  if redis.call('HLEN', OPEN) > before then answer[3] = 1 end
  return answer
end
-- Takes the first waiting chunk, so that one opened early, when chunks were longer, is not left to the end. The message
-- of that chunk then serves for the range opened here, so nothing is published.
local opened = allocate({}, wait, 1)[1]
local taken = opened
if not opened or redis.call('HLEN', OPEN) <= LOOKED_AT then taken = waiting() or opened end
if opened then answer[3] = 1 end
if taken then answer[4] = lend(taken, read(taken), holder, lease, goes_on) end
return answer
