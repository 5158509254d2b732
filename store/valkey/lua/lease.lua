-- Takes a lease, or renews one that is ours.
--
-- KEYS  1 lease:<name>
-- ARGV  1 owner   2 time to live, ms   3 "take": also when it is free; "keep": only when it is ours
-- Gives 1 when it is ours now, else 0.
local holder = redis.pcall('GET', KEYS[1])
if type(holder) ~= 'string' then holder = false end -- none, or nothing that was ever a lease
if holder == ARGV[1] or (not holder and ARGV[3] == 'take') then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
return 0
