# Independent values for harness/tests/changepoint_r_test.c, which includes them: Rscript changepoint.R > changepoint.def
# What changepoint_judge.c, _spread.c, _ramp.c and _level.c state, by R's own lm.wfit, optimize and optim, over all places, instead of the steps that the C code takes.
options(digits = 15)
set.seed(8)
kinds <- c("JUDGE", "SPREADS", "RAMP", "REFIT")  # who includes it defines the kind that is wanted
cat(paste0("#ifndef ", kinds, "\n#define ", kinds, "(...)\n#endif\n"), sep = "")
list_of <- function(x) paste0("LIST(", paste(format(c(x), trim = TRUE, digits = 15), collapse = ", "), ")")
row_of <- function(kind, name, ...) cat(paste0(kind, "(", paste(c(name, sapply(list(...), function(x) if (length(x) > 1) list_of(x) else format(x, digits = 15))), collapse = ", "), ")"), "\n", sep = "")

# Coefficients of a weighted fit, and their covariance where the weights are 1 / variance.
fit_of <- function(y, X, weight) {
  f <- lm.wfit(X, y, weight)
  list(at = unname(coef(f)), covariance = unname(solve(t(X) %*% (weight * X))), rest = unname(residuals(f)))
}

# ---- one step in a stretch: index less its middle, slope known with a variance, places counted from 0
judge <- function(name, y, weight, sound, slope, slope_variance, dof, least) {
  n <- length(y); x <- seq_len(n) - (n + 1) / 2; w <- weight * sound; places <- least:(n - least)
  step <- function(at) {
    X <- cbind(1, seq_len(n) > at); f <- fit_of(y - slope * x, X, w); run <- fit_of(x, X, w)$at[2]
    c(f$at[2], f$covariance[2, 2] + slope_variance * run^2)
  }
  s <- sapply(places, step); d <- s[1, ]; v <- s[2, ]
  evidence <- exp(-log(1 + 0.01 / v) / 2 + (dof + 1) / 2 * log(1 + d^2 / v / dof) * 0.01 / (0.01 + v))
  held <- sapply(places, function(at) sum(evidence[abs(places - at) <= 5])); good <- held >= 0.97 * max(held)
  at <- which(good)[which.max(evidence[good])]; below <- cumsum(evidence) - evidence; total <- sum(evidence)
  row_of("JUDGE", name, n, least, y, weight, sound, slope, slope_variance, dof, total / (total + 150), places[at],
         max(places[below <= 0.025 * total]), max(places[below <= 0.975 * total]), d[at], v[at])
}
weights <- function(n) 1e4 * round(runif(n, 0.3, 2), 3)
sounds <- function(n) round(ifelse(runif(n) < 0.1, 0.01, runif(n, 0.8, 1)), 3)
stretch <- function(n, at, height) round(rnorm(n, 0, 0.012) + height * (seq_len(n) > at), 4)
judge("clear", stretch(30, 17, 0.05), weights(30), sounds(30), 0, 0, 29, 2)
judge("faint", stretch(30, 12, 0.012), weights(30), sounds(30), 0, 0, 28, 3)
judge("none", stretch(24, 12, 0), weights(24), sounds(24), 0, 0, 23, 2)
judge("at_the_edge", stretch(30, 3, 0.04), weights(30), sounds(30), 0, 0, 28, 2)
judge("with_a_slope", stretch(30, 20, 0.04) + round(0.001 * (1:30 - 15.5), 5), weights(30), sounds(30), 0.0011, 4e-8, 27, 2)
judge("few_points", stretch(7, 4, 0.1), weights(7), sounds(7), 0, 0, 5, 3)

# ---- spreads: the likeliest one, or two of sticky stretches (.95 to stay), among outliers (.02 of density .45)
inlier <- function(r, s) 0.98 * dnorm(r, 0, s)
density <- function(r, s) inlier(r, s) + 0.02 * 0.45
move <- matrix(c(0.95, 0.05, 0.05, 0.95), 2)
chain <- function(d) {  # n x 2 densities: log likelihood, probability of each state at each point
  n <- nrow(d); a <- b <- matrix(1, n, 2); v <- c(0.5, 0.5); total <- 0
  for (i in 1:n) { v <- c(v %*% move) * d[i, ]; total <- total + log(sum(v)); a[i, ] <- v <- v / sum(v) }
  if (n > 1) for (i in (n - 1):1) { v <- c(move %*% (d[i + 1, ] * b[i + 1, ])); b[i, ] <- v / sum(v) }
  list(log = total, p = a * b / rowSums(a * b))
}
spreads <- function(name, r) {
  n <- length(r); both <- function(s) cbind(density(r, s[1]), density(r, s[2]))
  one <- exp(optimize(function(l) -sum(log(density(r, exp(l)))), log(c(1e-3, 1)), tol = 1e-12)$minimum)
  two <- exp(optim(log(one * c(0.4, 1.5)), function(l) -chain(both(exp(l)))$log, control = list(reltol = 1e-15, maxit = 5000))$par)
  if (chain(both(two))$log - sum(log(density(r, one))) > 9 && two[2] > 1.5 * two[1]) {
    p <- chain(both(two))$p[, 2]
    without <- sapply(seq_len(n), function(i) { d <- both(two); d[i, ] <- 1; chain(d)$p[i, 2] })
    share <- pmax(p, without); weight <- (1 / two[1]^2)^(1 - share) * (1 / two[2]^2)^share
    sound <- (1 - p) * inlier(r, two[1]) / density(r, two[1]) + p * inlier(r, two[2]) / density(r, two[2])
  } else { two <- c(one, one); weight <- rep(1 / one^2, n); sound <- inlier(r, one) / density(r, one) }
  row_of("SPREADS", name, n, r, two[1], two[2], weight, sound)
}
spreads("one", round(rnorm(60, 0, 0.01), 5))
spreads("one_and_outliers", round(replace(rnorm(60, 0, 0.01), c(7, 30, 31), c(0.4, -0.6, 0.5)), 5))
spreads("two", round(rnorm(100, 0, rep(c(0.004, 0.02, 0.004), c(40, 35, 25))), 5))
spreads("two_and_outliers", round(replace(rnorm(100, 0, rep(c(0.01, 0.05), c(60, 40))), c(10, 80), c(0.5, -0.9)), 5))

# ---- the best ramp between 1 and n - 1, both ends tried everywhere; a point costs 8 half squared scores at most
ramp <- function(name, y, weight, sound) {
  n <- length(y); least <- Inf
  for (begin in 1:(n - 3)) for (end in (begin + 2):(n - 1)) {
    t <- pmin(1, pmax(0, (seq_len(n) - begin) / (end - begin + 1))); f <- fit_of(y, cbind(1 - t, t), weight * sound)
    cost <- sum(pmin(8, weight / 2 * f$rest^2)); if (cost < least) { least <- cost; best <- c(begin, end, f$at, sum(f$covariance * c(1, -1, -1, 1))) }
  }
  row_of("RAMP", name, n, y, weight, sound, best[1], best[2], best[3], best[4], best[5])
}
climb <- function(n, begin, end, height, noise) round(height * pmin(1, pmax(0, (seq_len(n) - begin) / (end - begin + 1))) + rnorm(n, 0, noise), 4)
ramp("quiet", climb(40, 10, 30, 0.6, 0.002), weights(40), rep(1, 40))
ramp("noisy", climb(60, 15, 40, 0.5, 0.01), weights(60), sounds(60))
ramp("an_outlier", replace(climb(60, 20, 45, -0.4, 0.008), c(5, 33), c(0.3, 0.2)), weights(60), replace(rep(1, 60), c(5, 33), 0.001))

# ---- levels and one slope over given cuts
refit <- function(name, y, weight, sound, cuts) {
  n <- length(y); x <- seq_len(n) - (n + 1) / 2; level <- findInterval(seq_len(n) - 1, cuts)
  f <- fit_of(y, cbind(outer(level, unique(level), "=="), x), weight * sound); at <- length(f$at)
  row_of("REFIT", name, n, y, weight, sound, length(cuts), c(cuts, 0, 0)[1:2], f$at[at], f$covariance[at, at], f$rest)
}
drift <- function(n) round(0.002 * seq_len(n) + rnorm(n, 0, 0.01), 4)
refit("one_level", drift(30), weights(30), sounds(30), NULL)
refit("three_levels", drift(40) + rep(c(0, 0.3, 0.1), c(11, 17, 12)), weights(40), sounds(40), c(11, 28))
cat(paste0("#undef ", kinds, "\n"), sep = "")
