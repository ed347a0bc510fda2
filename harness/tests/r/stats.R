# Independent values for harness/tests/stats_test.c and summary_test.c: Rscript stats.R > stats.out
options(digits = 15)
cat("normal tail\n"); for (x in c(0, 1, -1, qnorm(0.975), 4.05562698112192, 8)) cat(x, pnorm(x, lower.tail = FALSE), "\n")
cat("normal tail inverse\n"); for (p in c(2.5e-5, 1e-9, 0.05)) cat(p, qnorm(p, lower.tail = FALSE), "\n")
cat("student tail\n")
for (row in list(c(2, 10), c(-2, 10), c(4, 10), c(6, 15), c(3.5, 5), c(3, 200), c(8, 12))) cat(row, pt(row[1], row[2], lower.tail = FALSE), "\n")
cat("summaries: median, mad, 95 %, 99 %\n")
for (x in list(7, c(3, 1), c(5, 1, 4, 2, 3), c(2, 4, 4, 4, 5, 5, 7, 9), c(1, 1, 1000, 1000)))
  cat(median(x), mad(x, constant = 1), quantile(x, c(0.95, 0.99), type = 7), "\n")
cat("autocorrelation, lags 1..3\n"); x <- c(3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9); cat(acf(x, plot = FALSE, lag.max = 3)$acf[2:4], "\n")
cat("quantile bounds: n, q, alpha, rank of the lower and of the upper bound (0, n + 1: none)\n")
for (row in list(c(1000, 0.99, 0.01), c(1000, 0.5, 0.025), c(100, 0.5, 0.025), c(100, 0.99, 0.01), c(458, 0.99, 0.01), c(459, 0.99, 0.01), c(10, 0.01, 0.01), c(1, 0.5, 0.4))) {
  k <- 0:(row[1] + 1); below <- pbinom(k - 1, row[1], row[2])
  cat(row, max(k[below <= row[3]]), min(k[1 - below <= row[3] + 1e-15]), "\n")
}
cat("contrast: theta, error, df\n")
base <- c(1, 2, 4); base2 <- c(1.2, 2, 3.8); head <- c(1.5, 2.3, 4.4); h <- head - (base + base2) / 2; d <- base2 - base
s2 <- (sum((h - mean(h))^2) / 1.5 + sum(d^2) / 2) / (2 * length(h) - 1); cat(mean(h), sqrt(1.5 * s2 / length(h)), 2 * length(h) - 1, "\n")
cat("binomial tail P(X >= k): k, n, p\n"); for (row in list(c(9, 9, 1/3), c(7, 9, 1/3), c(3, 20, 0.05), c(3, 3, 0.5), c(500, 1000, 0.5), c(501, 1000, 0.5), c(40, 1e5, 2e-4), c(1, 1e5, 2e-4))) cat(row, pbinom(row[1] - 1, row[2], row[3], lower.tail = FALSE), "\n")
cat("spread of three generations: P(theta < 0.01), mean, error, s, 10 % quantile, pool's centre\n")
s <- exp(seq(log(1e-4), log(1), length.out = 48)); h <- c(0.01, 0.02, 0.015); hv <- c(1e-5, 2e-5, 1e-5); n0 <- c(-0.004, 0.006, 0.002); nv <- c(2e-5, 1e-5, 3e-5)
prior <- function(x, centre) 0.95 * dnorm(x, centre, 0.6) + 0.05 * dnorm(x, log(0.02), 0.7)
at <- function(s) { v <- hv + 1.5 * s^2; v0 <- nv + 2 * s^2; m <- sum(h / v) / sum(1 / v)
  c(sum(dnorm(h, m, sqrt(v), log = TRUE)) + sum(dnorm(n0, 0, sqrt(v0), log = TRUE)) - 0.5 * log(sum(1 / v)), m, 1 / sqrt(sum(1 / v))) }
a <- sapply(s, at); w <- exp(a[1, ] - max(a[1, ])) * prior(log(s), log(0.0035)); w <- w / sum(w)
below <- function(x) sum(w * pnorm((x - a[2, ]) / a[3, ])); m <- sum(w * a[2, ])
score <- sapply(log(s), function(centre) { p <- prior(log(s), centre); log(sum(p / sum(p) * exp(a[1, ] - max(a[1, ])))) + dnorm(centre, log(0.0035), 0.7, log = TRUE) })
cat(below(0.01), m, sqrt(sum(w * (a[3, ]^2 + (a[2, ] - m)^2))), sum(w * s), uniroot(function(x) below(x) - 0.1, c(-1, 1), tol = 1e-12)$root, log(s)[which.max(score)], "\n")
cat("stored: centre, error, df of two cells\n")
base <- list(c(1, 1.02, 0.99), c(2, 2.05)); now <- c(1.1, 2.01); e <- c(0.004, 0.01)
ss <- sapply(base, function(x) sum((x - mean(x))^2)); df <- sapply(base, length) - 1; occasions <- 4
for (i in 1:2) { others <- sum(df) - df[i]; k <- min(0.3, 20 / others); d <- df[i] + k * others + 10
  s2 <- max((ss[i] + k * (sum(ss) - ss[i]) + 10 * 0.015^2) / d, max(0.006, 0.05 / sqrt(occasions))^2); cat(now[i] - mean(base[[i]]), sqrt(s2 * (1 + 1 / length(base[[i]])) + e[i]^2), d, "\n") }
for (i in 1:2) { others <- sum(df) - df[i]; k <- min(0.3, 20 / others); d <- df[i] + k * others + 10
  s2 <- max((ss[i] + k * (sum(ss) - ss[i]) + 10 * 0.015^2) / d, 0.006^2); cat(now[i] - mean(base[[i]]), sqrt(s2 * (1 + 1 / length(base[[i]])) + e[i]^2), d, "\n") }
cat("rates: k, n, 95 % interval\n"); for (row in list(c(0, 10), c(3, 20), c(10, 10), c(1, 1000))) cat(row, binom.test(row[1], row[2])$conf.int, "\n")
cat("history of s by the three generations above: first, 24th and last of the grid\n")
h <- c(0.01, 0.02, 0.015)
cat(sapply(s[c(1, 24, 48)], function(s) { v <- hv + 1.5 * s^2; v0 <- nv + 2 * s^2; -0.5 * sum(log(v) + h^2 / v + log(v0) + n0^2 / v0) }), "\n")
cat("pool's centre for 20 cells, each of the same four wide generations\n")
h <- c(0.5, -0.9, 0.7, -0.4); n0 <- c(0.9, -0.6, 0.8, 1.1); hv <- nv <- rep(1e-6, 4); a <- sapply(s, at)
one <- sapply(log(s), function(centre) { p <- prior(log(s), centre); log(sum(p / sum(p) * exp(a[1, ] - max(a[1, ])))) })
cat(log(s)[which.max(20 * one + dnorm(log(s), log(0.0035), 0.7, log = TRUE))], "\n")
cat("all of n processes far: far and seen processes, n\n"); for (row in list(c(0, 20, 5), c(0, 260, 3), c(12, 260, 3), c(30, 120, 9))) {
  a <- row[1] + 0.5; b <- row[2] - row[1] + 0.5; cat(row, beta(a + row[3], b) / beta(a, b), "\n")
}
cat("looks: rounds, share of the error rate; the sum of the first hundred shares\n")
share <- c(rep(1 / 14, 12), 1 / 7 / (1:88 * (1:88 + 1))); cat(ceiling(16 * 1.5^(0:13)), "\n"); cat(share[1:14], sum(share), "\n")
cat("inflation by dependence: 26 values in pieces of 12 and 14\n"); set.seed(2); x <- round(c(arima.sim(list(ar = 0.8), 26)), 2)
pairs <- colSums(matrix(x, 2)); cat(x, "\n"); cat(mean(pairs^2) / 2 / mean(x^2) * (1 - sqrt(2 / length(pairs))), "\n")
cat("bisection: probability of the sixth commit of eight, ratio\n")
tells <- rbind(c(4, 1, 0.02), c(4, 1.01, 0.02), c(6, 1.12, 0.02), c(6, 1.08, 0.04), c(6, 1.12, 0.02), c(5, 1, 0.02), c(5, 1, 0.003)); x <- log(tells[, 2]); e <- tells[, 3]
says <- pmin(4, pmax(-4, dnorm(x, log(1.1), e, log = TRUE) - dnorm(x, 0, e, log = TRUE))); culprit <- sapply(1:8, function(k) exp(sum(says[tells[, 1] >= k]))); bad <- tells[, 1] >= 6
cat((culprit / sum(culprit))[6], exp(weighted.mean(x[bad], 1 / e[bad]^2) - weighted.mean(x[!bad], 1 / e[!bad]^2)), "\n")
cat("change points: probability of a change at each of eleven places, over all ways to cut into stretches of two and more\n")
log_density <- function(y) { S <- 1e-4 * diag(length(y)) + 0.01; -0.5 * (sum(y * solve(S, y)) + determinant(S)$modulus) }
ways <- as.matrix(expand.grid(rep(list(0:1), 10)))
for (y in list(c(-0.005, 0.01, -0.01, 0, 0.005, 0.03, 0.04, 0.025, 0.03, 0.035, 0.03), c(0.02, 0.02, 0.01, -0.02, -0.01, -0.03, 0.01, 0.03, 0.02, 0.015, 0.02), c(0, 0.001, 0, -0.001, 0, 0.002, 0, 0, 0.001, -0.001, 0))) {
  l <- apply(ways, 1, function(cuts) { parts <- split(y - mean(y), cumsum(c(1, cuts))); if (min(lengths(parts)) < 2) -Inf else sum(sapply(parts, log_density)) - sum(cuts) * log(150) })
  cat(0, colSums(ways * exp(l - max(l))) / sum(exp(l - max(l))), "\n")
}
cat("cheapest cuts: 24 values; cost, first places of the levels\n")
set.seed(3); y <- round(c(rnorm(9, 0, 0.01), rnorm(8, 0.06, 0.01), rnorm(7, -0.02, 0.01)), 4); y[5] <- 0.3; cat(y, "\n")
cost <- outer(1:24, 1:24, Vectorize(function(i, j) if (j < i) Inf else min(sapply(seq(-0.05, 0.35, 0.00025), function(l) sum(pmin((y[i:j] - l)^2 / 2e-4, 8))))))
best <- 0; from <- NULL; for (j in 1:24) { total <- best[1:j] + cost[1:j, j] + ifelse(1:j > 1, 7, 0); best[j + 1] <- min(total); from[j] <- which.min(total) }
cuts <- NULL; j <- 24; while (from[j] > 1) { cuts <- c(from[j] - 1, cuts); j <- from[j] - 1 }; cat(best[25], cuts, "\n")
