-- Enters live sockets; one with a lower epoch than what stands there changes nothing.
--
-- KEYS  1 mitras:sockets
-- ARGV  of each socket: mitra id, epoch
-- Gives how many were entered.
local entered = 0
for i = 1, #ARGV, 2 do
  local there = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '0') or 0
  if there <= tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    entered = entered + 1
  end
end
return entered
