-- Deletes keys that hold a value of another type than they should: every write to them would fail.
--
-- KEYS  any
-- ARGV  of each key: its type
-- Gives which were deleted, counted from 1.
local out = {}
for n, key in ipairs(KEYS) do
  local is = redis.call('TYPE', key).ok
  if is ~= 'none' and is ~= ARGV[n] then
    redis.call('DEL', key)
    out[#out + 1] = n
  end
end
return out
