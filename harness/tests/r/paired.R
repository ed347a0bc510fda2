# Independent values for harness/tests/paired_test.c, which includes them: Rscript paired.R > paired.def
# What robust.h and paired.h state, by R's own mad, uniroot, D and qr instead of the steps that the C code takes.
options(digits = 15)
set.seed(5)
list_of <- function(x) paste0("LIST(", paste(format(c(t(x)), trim = TRUE, digits = 15), collapse = ", "), ")")

scale_of <- function(x) {
  centre <- median(x); scale <- mad(x)
  if (scale == 0) return(sqrt(pi / 2) * mean(abs(x - centre)))
  repeat {
    near <- x[abs(x - centre) <= 3 * scale]; smaller <- mad(near, centre)
    if (length(near) == length(x) || smaller == 0) return(scale)
    x <- near; scale <- smaller
  }
}

psi <- quote(r * (1 - (r / cut)^2)^2)
# The zero of sum psi next to the median, on the side to which the sum points.
location_of <- function(x, scale) {
  cut <- 4.685 * scale
  inside <- function(what, at) { r <- x - at; ifelse(abs(r) < cut, eval(what), 0) }
  total <- function(at) sum(inside(psi, at))
  at <- median(x); step <- sign(total(at)) * scale / 1000
  if (abs(total(at)) > 1e-12 * scale) {
    while (total(at + step) * step > 0) at <- at + step
    at <- uniroot(total, sort(c(at, at + step)), tol = 1e-14)$root
  }
  list(at = at, influence = inside(psi, at) / max(mean(inside(D(psi, "r"), at)), 0.25))
}

samples <- list(normal = rnorm(24), heavy_tails = rt(24, 1), ties = sample(1:4, 24, TRUE, c(8, 5, 3, 1)), mostly_equal = c(rep(2, 13), 1:11),
                two_modes = c(rnorm(14), rnorm(10, 9)), two_near_modes = c(rnorm(13, 0, 0.3), rnorm(11, 2, 0.3)), outliers_of_one_value = c(1, 1, 1, 1.5, 0.5, 40, 50, 60),
                two_values = c(0.3, 0.7), three_rounds = c(1, 1.2, 0.9, 1.1, 5, 1),
                rest_is_equal = c(0, 0, 0, 1, -1, 100, -100, -100), at_the_cut = c(-0.5, 0.5, -1, 1, -4.4478, 4.4478))
for (name in names(samples)) {
  x <- round(samples[[name]], 4); scale <- scale_of(x); t <- location_of(x, scale)
  cat(sprintf("LOCATION(%s, %d, %s, %.15g, %.15g, %s)\n", name, length(x) / 2, list_of(x), scale, t$at, list_of(colMeans(matrix(t$influence, 2)))))
}

# Columns of a factor, one row a turn; turns come by round, then by lane.
columns <- function(factor, levels) outer(factor, levels, function(a, b) as.numeric(!is.na(a) & a == b))

group <- function(x, level, round, cell, lengths) {
  within <- qr(cbind(columns(round, unique(round)), columns(cell, unique(cell))))
  e <- qr.resid(within, x); cut <- 3 * scale_of(e); e <- pmin(pmax(e, -cut), cut)
  n <- sum(lengths); ridge <- sqrt(0.02 * n) * diag(3)
  all <- qr(rbind(qr.resid(within, columns(level, 0:2)), ridge)); left <- sum(qr.resid(all, c(e, 0, 0, 0))^2)
  df <- 2 * (n - length(lengths)) - 2
  if (df > 0 && (sum(e^2) - left) / 2 > 5 * left / df) qr.coef(all, c(e, 0, 0, 0)) else c(0, 0, 0)
}

# Means by lane and lane before of what is left: their root mean square, if their squares are beyond 33.4 times what they leave, a turn.
tangle_of <- function(x, before, round, cell) {
  within <- qr(cbind(columns(round, unique(round)), columns(cell, unique(cell))))
  e <- qr.resid(within, x); cut <- 3 * scale_of(e); e <- qr.resid(within, pmin(pmax(e, -cut), cut))
  pair <- paste(before, cell %% 3)[!is.na(before)]; explained <- sum(tapply(e[!is.na(before)], pair, sum)^2 / tapply(pair, pair, length))
  if (explained > 33.4 * (sum(e^2) - explained) / length(e)) sqrt(explained / length(e)) else 0
}

# One contrast, a row a round: location and variance of each generation, and the inflation by dependence.
inflation_of <- function(x, piece) {
  sums <- function(b) unlist(tapply(x, piece, function(v) { k <- length(v) %/% b; if (k) colSums(matrix(v[seq_len(k * b)], b)) }))
  ratios <- sapply(2^(1:10), function(b) { s <- sums(b); if (length(s) < 12) 1 else mean(s^2) / b / mean(x^2) * (1 - sqrt(2 / length(s))) })
  max(1, ratios[is.finite(ratios)])
}

estimate_of <- function(rows, generation) {
  by <- split(seq_len(nrow(rows)), generation); width <- ncol(rows); n <- nrow(rows); g <- length(by)
  values <- lapply(by, function(i) c(t(rows[i, ]))); scale <- scale_of(unlist(lapply(values, function(v) v - median(v))))
  locate <- function(scale) lapply(values, function(v) if (scale > 0) location_of(v, scale) else list(at = median(v), influence = 0 * v))
  places <- locate(scale); at <- sapply(places, `[[`, "at"); far <- Map(function(v, a) abs(v - a) > 4.685 * scale, values, at)
  floors <- mapply(function(v, f) if (mean(!f) < 0.5) max(scale_of(v), diff(quantile(v, c(0.1, 0.9))) / 2)^2 else 0, values, far)
  torn <- any(floors > 0)
  if (mean(!unlist(far)) < 0.5) floors[] <- max(floors)
  signs <- Map(function(v, a, f) colSums(matrix(ifelse(f, sign(v - a), 0), width)), values, at, far)
  chi <- sum(sapply(signs, function(s) if (any(s != 0)) sum(s)^2 / sum(s^2) else 0)); all <- unlist(signs)
  wilson_hilferty <- g * (1 - 2 / (9 * g) + 2.3263 * sqrt(2 / (9 * g)))^3
  if (torn || chi > wilson_hilferty || sum(all)^2 > 6.6349 * sum(all^2))
    places <- locate(max(scale, diff(quantile(unlist(values), c(0.2, 0.8))) / 1.6832))
  influence <- lapply(places, function(p) colMeans(matrix(p$influence, width))); flat <- unlist(influence); inflation <- inflation_of(flat, generation)
  pooled <- sum(flat^2) / max(1, n - g)
  variance <- sapply(influence, function(v) inflation * (sum(v^2) + 20 * pooled) / (length(v) + 20) / length(v))
  list(at = sapply(places, `[[`, "at"), variance = pmax(variance, floors), inflation = inflation)
}

estimate_row <- function(name, log_ns, order, lengths, x) {
  generation <- rep(seq_along(lengths), lengths); x <- matrix(x, ncol = 3, byrow = TRUE)
  head <- estimate_of(cbind(x[, 3] - x[, 1], x[, 3] - x[, 2]), generation); null <- estimate_of(cbind(x[, 2] - x[, 1]), generation)
  cat(sprintf("ESTIMATE(%s, %d, %s, %s, %s, %s, %s, %s, %s, %.15g, %.15g)\n", name, length(lengths), list_of(lengths), list_of(order), list_of(log_ns),
              list_of(head$at), list_of(head$variance), list_of(null$at), list_of(null$variance), head$inflation, null$inflation))
}

take_off <- function(x, level, effect) x - ifelse(is.na(level), 0, effect[level + 1])

adjust <- function(name, noise, order, lengths, carry, position, pairs = 0) {
  n <- sum(lengths); round <- rep(1:n, each = 3); generation <- rep(rep(seq_along(lengths), lengths), each = 3)
  place <- c(apply(order, 1, function(o) match(0:2, o))) - 1
  starts <- round %in% (cumsum(lengths) - lengths + 1)
  before <- ifelse(place > 0, order[cbind(round, pmax(place, 1))], ifelse(starts, NA, order[cbind(pmax(round - 1, 1), 3)]))
  if (length(pairs) > 1) noise <- noise + ifelse(is.na(before), 0, pairs[cbind(before + 1, rep(1:3, n))])
  x <- noise + rep(c(0, 0.01, 0.1), n) + rep(rnorm(n), each = 3) - take_off(0, before, carry) - take_off(0, place, position)
  log_ns <- x <- round(x, 4); cell <- 3 * generation + rep(0:2, n); got_carry <- got_position <- 0
  for (pass in 1:10) {
    more_carry <- group(x, before, round, cell, lengths); x <- take_off(x, before, more_carry); got_carry <- got_carry + more_carry
    more_position <- group(x, place, round, cell, lengths); x <- take_off(x, place, more_position); got_position <- got_position + more_position
    if (all(c(more_carry, more_position) == 0)) break
  }
  cat(sprintf("ADJUST(%s, %d, %s, %s, %s, %s, %s, %s, %.15g)\n", name, length(lengths), list_of(lengths), list_of(order), list_of(log_ns), list_of(got_carry), list_of(got_position), list_of(x), tangle_of(x, before, round, cell)))
  estimate_row(name, log_ns, order, lengths, x)
}

orders <- function(n) t(replicate(n, sample(0:2)))
c1 <- c(0.06, -0.04, -0.02); p1 <- c(0.05, 0, -0.05); none <- c(0, 0, 0)
adjust("nothing_stands_out", rnorm(60, 0, 0.02), orders(20), c(8, 12), none, none)
adjust("carry", rnorm(60, 0, 0.02), orders(20), c(8, 12), c1, none)
adjust("position", rnorm(60, 0, 0.02), orders(20), c(8, 12), none, p1)
adjust("both", rnorm(60, 0, 0.02), orders(20), c(7, 12, 1), c1, p1)
adjust("heavy_tails", 0.004 * rt(60, 1), orders(20), 20, c1, p1)
adjust("ties", sample(c(0, 0, 0, 0.01, 0.02), 60, TRUE), orders(20), c(10, 10), c1, p1)
adjust("two_modes", sample(c(0, 0.27), 60, TRUE, c(4, 1)), orders(20), c(10, 10), 2 * c1, 2 * p1)
adjust("fixed_order", rnorm(60, 0, 0.02), matrix(0:2, 20, 3, TRUE), c(8, 12), c1, p1)
adjust("three_rounds", rnorm(9, 0, 0.001), orders(3), 3, c1, p1)
adjust("single_rounds", rnorm(6, 0, 0.001), orders(2), c(1, 1), c1, p1)
adjust("pairs", rnorm(60, 0, 0.003), orders(20), c(10, 10), none, none, matrix(rnorm(9, 0, 0.06), 3))
adjust("small_pairs", rnorm(60, 0, 0.02), orders(20), c(10, 10), none, none, matrix(rnorm(9, 0, 0.01), 3))
adjust("far_position", rnorm(60, 0, 0.01), orders(20), c(10, 10), none, c(0.2, 0, 0))
adjust("far_beyond_the_noise", rnorm(60, 0, 0.001), orders(20), c(10, 10), 4 * c1, 8 * p1)
torn <- rep(c(0, 0, 1), 30) * rep(rep(c(0, 0.3, 0.7), 10), each = 3)
late <- rep(c(0, 0, 1), 30) * rep(ifelse(runif(30) < 0.3, 0.5, 0), each = 3)
adjust("torn_generation", rnorm(90, 0, 0.005) + torn * rep(c(0, 1, 0), c(30, 30, 30)), orders(30), c(10, 10, 10), none, none)
adjust("torn_everywhere", rnorm(90, 0, 0.005) + torn, orders(30), c(10, 12, 8), none, none)
adjust("late_on_one_side", rnorm(90, 0, 0.005) + late, orders(30), c(9, 10, 11), none, none)
adjust("sticky", rep(c(0, 0, 1), 30) * rep(cumsum(rnorm(30, 0, 0.02)), each = 3) + rnorm(90, 0, 0.002), orders(30), 30, none, none)
