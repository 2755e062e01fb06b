-- claim: a holder takes an open chunk, or (id = '') the next free range, for the length of its lease. Where there is no
-- room for that, it takes a chunk that was opened a while ago, and not begun.
-- ARGV  2 id or ''  3 holder  4 lease_ms  5 largest range to take (0: any)
--       6 where the chunk is not to be had any more: any that waits, else the next free range (0|1)
--       7… fields of meta to answer as well
-- Answers {'ok', what `lend` answers}
--       · {'gone'} · {'busy'} · {'paused'}: acknowledge the message and do nothing.
--       · {'other'}: the batch is of another schema, and nothing of it was read.
-- A second call of the same message finds the first one's lease: 'busy'; after its commit: 'gone'. So does the message
-- of a chunk that somebody went on with, where nothing else is left.
local id, holder, lease, most, or_other = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6] == '1'

local state, version = meta('state', 'v')
if not state or closed(state) then return {'gone'} end
if version and version ~= SCHEMA then return {'other'} end
if state == 'paused' then return {'paused'} end
if is_late() then return {'gone'} end

-- The next range nobody has, opened; or why there is none.
local function free_range(even_beyond_window)
  if not may_allocate() then return nil, 'gone' end
  local places, items = room()
  if items <= 0 or places <= 0 and not even_beyond_window then return nil, 'busy' end
  local gen, from, upto = take_range(items, places, 1, most > 0 and most or 1 / 0)
  if not gen then return nil, 'gone' end
  local range = id_of(gen, from, upto, 0)
  open(range, fresh(from, lease, 0))
  return range
end

-- Whether there may have been such a chunk in this generation, of items that were not parked.
local function was_allocated(chunk)
  local of, _, stop, k = range_of(chunk)
  local gen, cur = meta('gen', 'cur')
  return of == gen and k == 0 and stop <= cur
end

-- A chunk whose message has been there for longer than it takes to be delivered: it waits for a slot that others keep.
local function left_waiting()
  local chunk = waiting()
  if not chunk then return nil end
  local _, _, stop = range_of(chunk)
  local r = read(chunk)
  if now - sent_at(chunk, r) > DELIVERED_MS and (most == 0 or stop - r.from <= most) then return chunk end
end

local refusal = 'gone'
if id == '' then
  id, refusal = free_range(true)
  if refusal == 'busy' then id = left_waiting() end
else
  local r = read(id)
  if not r then id = nil elseif is_held(id, r) then id, refusal = nil, 'busy' end
  if not id and or_other and was_allocated(ARGV[2]) then id = waiting() or free_range() end
end
if not id then return {refusal} end
return {'ok', lend(id, read(id), holder, lease, {unpack(ARGV, 7)})}
