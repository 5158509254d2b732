-- Takes away sockets that nobody holds any more, each only if it still stands there as it was read.
--
-- KEYS  1 mitras:sockets   2 mitras:waiting
-- ARGV  of each socket: mitra id, what stood there
-- Gives how many were taken away.
local taken = 0
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
    redis.call('ZREM', KEYS[2], ARGV[i])
    taken = taken + 1
  end
end
return taken
