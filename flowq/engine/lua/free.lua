-- free: deletes outcomes that a reader has taken; they cannot be read again.
-- ARGV  2 items before it have been read (-1: in no order)  3… field of out, its entry in line, …
-- Returns {number of outcomes deleted}. A second call deletes nothing more.
if not meta('state') then return {0} end
even_when_full()
set('freed', int(tonumber(ARGV[2])))
local dropped = 0
for i = 3, #ARGV, 2 do
  dropped = dropped + redis.call('HDEL', OUT, ARGV[i])
  redis.call('XDEL', LINE, ARGV[i + 1])
end
return {dropped}
