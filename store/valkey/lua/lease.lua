-- Takes a lease, or renews one that is ours.
--
-- KEYS  1 lease:<name>
-- ARGV  1 owner   2 time to live, ms   3 "take": also when it is free; "keep": only when it is ours
-- Gives 1 when it is ours now, else 0.
local holder = redis.pcall('GET', KEYS[1])
-- None, or nothing that was ever a lease: those end by themselves.
if type(holder) ~= 'string' or redis.call('PTTL', KEYS[1]) < 0 then holder = false end
if holder == ARGV[1] or (not holder and ARGV[3] == 'take') then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
return 0
