-- One step of a SCAN; a script, so that a cluster's client sends it to the node that has the mirror.
--
-- KEYS  1 any key of the mirror
-- ARGV  1 cursor   2 pattern   3 how many to look at
-- Gives the next cursor and the keys.
return redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3])
