-- claim: a holder takes an open chunk, for the length of its lease. With id = '' it takes one that was opened a while ago
-- and that nobody holds, or else a parked item that is due, or else the next free range.
-- ARGV  2 id or ''  3 holder  4 lease_ms  5 most items of a free range (0: any)
--       6 whether, if the chunk is not available, to take any waiting chunk or else the next free range (0|1)
--       7… fields of meta to return as well
-- Returns {'ok', the reply of `lend`}
--       · {'gone'} · {'busy'} · {'paused'}: acknowledge the message and do nothing.
--       · {'other'}: the batch is of another schema; only its version was read.
-- A second call of the same message finds the lease of the first one: 'busy'; after its commit: 'gone'. The same holds
-- for the message of a chunk that another holder took after a commit, if nothing else is left.
local id, holder, lease, most, or_other = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6] == '1'
local longest = most > 0 and most or 1 / 0

local state, version = meta('state', 'v')
if not state or closed(state) then return {'gone'} end
if version and version ~= SCHEMA then return {'other'} end
if state == 'paused' then return {'paused'} end
if is_late() then return {'gone'} end

-- Opens the next free range, of at most `longest` items; nil and the reason if there is none.
local function free_range(wait, longest, even_beyond_window)
  if not may_allocate() then return nil, 'gone' end
  local places, items = room()
  if items <= 0 or places <= 0 and not even_beyond_window then return nil, 'busy' end
  local gen, from, upto = take_range(items, places, 1, longest)
  if not gen then return nil, 'gone' end
  local range = id_of(gen, from, upto, 0)
  open(range, fresh(from, wait, 0))
  return range
end

-- Opens a parked item that is due, even beyond the window: a chunk of one item fills one place of many.
local function due_item()
  if redis.call('HLEN', PARKED) == 0 then return nil end
  local _, items = room()
  if items <= 0 then return nil end
  for _, one in ipairs(due(1)) do
    if open_parked(one, lease) then return one end
  end
end

-- Whether this generation may have had such a chunk.
local function was_allocated(chunk)
  local of, start, stop, k = range_of(chunk)
  local gen, cur = meta('gen', 'cur')
  return of == gen and stop <= cur and (k == 0 or stop - start == 1)
end

-- A waiting chunk whose message was sent longer ago than a delivery takes: it waits for a slot that others occupy.
local function left_waiting()
  local chunk = waiting()
  return chunk and now - sent_at(chunk, read(chunk)) > DELIVERED_MS and chunk
end

-- Takes such a chunk and opens a range in its place, for which its message then stands: else the commits would open one
-- and send one message more. If there is none, or no room for one, the message is left over.
local function take_waiting()
  local chunk = left_waiting()
  if not chunk then return nil end
  local wait = read(chunk).wait
  local range = free_range(wait, 1 / 0, true)
  if range then due_at(range, now + wait) else add('spare', 1) end
  return chunk
end

-- What the message of a chunk that is not available stands for. If it is left over, another message brings what waits.
local function in_its_place()
  local chunk
  if (meta('spare') or 0) > 0 then add('spare', -1) else chunk = waiting() end
  return chunk or free_range(lease, longest)
end

local refusal = 'gone'
if id == '' then
  -- The message of what waits may be with a worker whose slots are occupied for long, and a reader of the values in item
  -- order waits for it.
  id = take_waiting() or due_item()
  if not id then id, refusal = free_range(lease, longest, true) end
else
  local r = read(id)
  if not r then id = nil elseif is_held(id, r) then id, refusal = nil, 'busy' end
  if not id and or_other and was_allocated(ARGV[2]) then id = in_its_place() end
end
if not id then return {refusal} end
return {'ok', lend(id, read(id), holder, lease, {unpack(ARGV, 7)})}
