-- beat: a worker's main process keeps the leases of what its children hold; `agg` and `feed` beat the same way.
-- ARGV  2 lease_ms  3… id, holder pairs (holder is not looked at for agg and feed)
-- Answers the ids that are gone: whoever runs them may stop. Another's lease is untouched; a lease that lapsed
-- and that nobody has claimed since is taken up again, and was no loss.
local lease = tonumber(ARGV[2])
local gone = {}
local state = meta('state')
even_when_full()
for i = 3, #ARGV, 2 do
  local id, holder = ARGV[i], ARGV[i + 1]
  if id == 'agg' or id == 'feed' then
    if id == 'feed' and state and not closed(state) then
      due_at(id, now + lease)
    elseif redis.call('ZSCORE', WAKE, id) then
      due_at(id, now + lease)
    else
      gone[#gone + 1] = id
    end
  else
    local r = not closed(state) and read(id)
    if not r then
      gone[#gone + 1] = id
    elseif r.holder == holder then
      due_at(id, now + lease)
    elseif r.holder == '-' and r.losses > 0 then
      r.holder, r.losses, r.wait = holder, r.losses - 1, lease
      add('losses', -1)
      write(id, r)
      due_at(id, now + lease)
    end
  end
end
return gone
