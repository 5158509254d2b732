-- Opens the mirror to readers at the end of a seed, if its lease was not lost on the way (a Valkey emptied meanwhile has none).
--
-- KEYS  1 lease:seed   2 mirror:epoch
-- ARGV  1 the seed's token   2 the new epoch
-- Gives 1 when the mirror is open now, else 0.
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2])
redis.call('DEL', KEYS[1])
return 1
