-- Searches near random places around the city: wrk ... -- KEY SEED QUERY
-- sql/place_pgbench.sql draws its places from the same square.
local random, format = math.random, string.format
local headers, query = {}, ""

function init(args)
  headers["Authorization"] = "Bearer " .. args[1]
  math.randomseed(tonumber(args[2]))
  query = args[3]
end

function request()
  local latitude = 47.6062 + 0.15 * (2 * random() - 1)
  local longitude = -122.3321 + 0.15 * (2 * random() - 1)
  return wrk.format("GET", format("/v1/openings?%s&near=%.5f,%.5f", query, latitude, longitude), headers)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(format("RESULT %d %d %d %d %.4f %.4f\n", summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(95) / 1000))
end
