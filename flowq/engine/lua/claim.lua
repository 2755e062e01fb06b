-- claim: a holder takes an open chunk, or (id = '') the next free range, or (id = 'waiting') any chunk that was published
-- and not begun, for the length of its lease.
-- ARGV  2 id, '' or 'waiting'  3 holder  4 lease_ms  5 largest range to take when id = ''  6… fields of meta to answer as well
-- Answers {'ok', id, from, stop, attempts, crashes, losses, solo, overtime, {fields}, state or '', page or '',
--          first index of each page of the range…}; the state is how far the item had come when it was parked or
--          failed; the page is there if it is the only one, and small
--       · {'gone'} · {'busy'} · {'paused'}: acknowledge the message and do nothing.
--       · {'other'}: the batch is of another schema, and nothing of it was read.
-- The message of a chunk that was taken as a waiting one finds it 'busy' or 'gone', too.
-- A second call of the same message finds the first one's lease: 'busy'; after its commit: 'gone'.
local PAGES_FROM, SMALL_PAGE_BYTES, LOOKED_AT = 13, 4096, 32
local id, holder, lease, most = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])

local state, version = meta('state', 'v')
if not state or closed(state) then return {'gone'} end
if version and version ~= SCHEMA then return {'other'} end
if state == 'paused' then return {'paused'} end
if is_late() then return {'gone'} end

-- The first of some chunks that wait for a slot. Not what waits for its time, nor what is run one by one after a crash.
local function waiting()
  local found, at
  local some = redis.call('HSCAN', OPEN, '0', 'COUNT', LOOKED_AT)[2]
  for i = 1, #some, 2 do
    local from, wait, solo = string.match(some[i + 1], '^(%d+) %- %d+ %d+ %d+ (%d+) %d+ (%d)')
    from = tonumber(from)
    if from and wait ~= '0' and solo == '0' and (not at or from < at) then found, at = some[i], from end
  end
  return found
end

if id == 'waiting' then
  id = waiting()
  if not id then return {'gone'} end
end

if id == '' then
  if not may_allocate() then return {'gone'} end
  local places, items = room()
  if items <= 0 then return {'busy'} end
  local gen, from, upto = take_range(items, places, most)
  if not gen then return {'gone'} end
  id = id_of(gen, from, upto, 0)
  open(id, fresh(from, lease, 0))
end

local r = read(id)
if not r then return {'gone'} end
if r.holder ~= '-' then
  local until_ms = tonumber(redis.call('ZSCORE', WAKE, id) or 0)
  if until_ms > now then return {'busy'} end
  r.losses = r.losses + 1
  add('losses', 1)
  if r.losses >= SOLO_AFTER_LOSSES then r.solo = 1 end
end
r.holder, r.claims, r.wait = holder, r.claims + 1, lease
write(id, r)
due_at(id, now + lease)

local gen, start, stop, k = range_of(id)
local reached = k > 0 and redis.call('HGET', SAVED, id)
if not reached and stop - start == 1 then reached = redis.call('HGET', SAVED, 'last:' .. int(start)) end
local fields = #ARGV > 5 and redis.call('HMGET', META, unpack(ARGV, 6)) or {}
local answer = {'ok', id, r.from, stop, r.attempts, r.crashes, r.losses, r.solo, r.overtime, fields, reached or '', ''}
local first = redis.call('ZREVRANGEBYSCORE', INDEX, int(r.from), '-inf', 'LIMIT', 0, 1)[1]
answer[#answer + 1] = tonumber(first)
for _, page in ipairs(redis.call('ZRANGEBYSCORE', INDEX, '(' .. int(r.from), '(' .. int(stop))) do
  answer[#answer + 1] = tonumber(page)
end
if first and #answer == PAGES_FROM and redis.call('HSTRLEN', PAGES, first) <= SMALL_PAGE_BYTES then
  answer[PAGES_FROM - 1] = redis.call('HGET', PAGES, first) or ''
end
return answer
