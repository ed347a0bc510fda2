/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/paired.h"

#include "stats/robust.h"
#include "stats/series.h"
#include "stats/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double prior_rounds = 20;
static const double near_scales = 4.685;  /* where robust_location stops counting */

static const double quintiles_of_normal = 1.6832;  /* from the first to the last, in standard deviations */
static const double normal_one_percent = 2.3263, chi_one_percent = 6.6349;  /* upper quantiles; the latter with one degree of freedom */

/* Rounds as contrasts: `width` values a round. */
struct contrast {
    double *x, *influence, *work;
    size_t width;
};

static size_t total_rounds(const size_t *length, size_t n_generations)
{
    size_t n = 0;
    for (size_t g = 0; g < n_generations; g++)
        n += length[g];
    return n;
}

/* One scale for all generations, about the median of each. */
static double common_scale(const struct contrast *c, const size_t *length, size_t n_generations)
{
    size_t at = 0;
    for (size_t g = 0; g < n_generations; g++) {
        size_t n = length[g] * c->width;
        memcpy(c->work, c->x + at, n * sizeof *c->work);
        double centre = summary_median(c->work, n);
        for (size_t i = 0; i < n; i++)
            c->influence[at + i] = c->x[at + i] - centre;
        at += n;
    }
    return robust_scale(c->influence, at, c->work);
}

static double mean_square(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sum / (double)n;
}

/* How many of the contrasts start..start+n lie around `centre`. */
static size_t count_near(const struct contrast *c, size_t start, size_t n, double centre, double scale)
{
    size_t near = 0;
    for (size_t i = 0; i < n; i++)
        near += fabs(c->x[start + i] - centre) <= near_scales * scale;
    return near;
}

/* From the quantile `share` of the contrasts start..start+n to that of 1 - share. */
static double width_between(const struct contrast *c, size_t start, size_t n, double share)
{
    memcpy(c->work, c->x + start, n * sizeof *c->work);
    summary_sort(c->work, n);
    return summary_quantile(c->work, n, 1 - share) - summary_quantile(c->work, n, share);
}

/* The variance of one round, of contrasts that have no location to speak of: as of two states half the outer tenths' distance from their middle.
 * Not the farthest contrast: that is one wild turn, and the farther the more rounds there are. */
static double torn_variance(const struct contrast *c, size_t start, size_t n)
{
    double own = fmax(robust_scale(c->x + start, n, c->work), width_between(c, start, n, 0.1) / 2);
    return own * own;
}

/*
 * A generation in which less than half of the contrasts lie around the location has none to speak of (the machine changed
 * between two states under it): its variance is at least that of one round, else 0. Returns whether there is one. Where that holds for
 * all generations together, those whose few rounds happen to agree know no better than the worst.
 */
static bool floor_torn(const struct contrast *c, const size_t *length, size_t n_generations, const double *centre, double scale, double *floor)
{
    size_t at = 0, all = 0, all_near = 0;
    double worst = 0;
    for (size_t g = 0; g < n_generations; g++) {
        size_t n = length[g] * c->width, near = count_near(c, at, n, centre[g], scale);
        floor[g] = 2 * near < n ? torn_variance(c, at, n) : 0;
        worst = fmax(worst, floor[g]);
        all += n;
        all_near += near;
        at += n;
    }
    for (size_t g = 0; 2 * all_near < all && g < n_generations; g++)
        floor[g] = worst;
    return worst > 0;
}

/*
 * Contrasts of lanes that differ by a factor are symmetric: what lies far from the location must lie on both sides. Where it does
 * not, the locations sit on one of several modes. D sums the signs of far contrasts by round, V their squares: D^2 / V is about chi-square
 * with one degree of freedom, for each generation and for all together. Each is held to its upper 1 % (Wilson and Hilferty's form for the sum
 * over generations): a false alarm costs a hundredth of the cells some width, nothing else.
 */
static bool is_lopsided(const struct contrast *c, const size_t *length, size_t n_generations, const double *centre, double scale)
{
    double chi = 0, all = 0, all_squares = 0, ninth = 2.0 / 9 / (double)n_generations;
    const double *x = c->x;
    for (size_t g = 0; g < n_generations; g++) {
        double sum = 0, squares = 0;
        for (size_t r = 0; r < length[g]; r++, x += c->width) {
            double score = 0;
            for (size_t i = 0; i < c->width; i++)
                score += fabs(x[i] - centre[g]) > near_scales * scale ? copysign(1, x[i] - centre[g]) : 0;
            sum += score;
            squares += score * score;
        }
        chi += sum * sum / fmax(1, squares);  /* whole numbers */
        all += sum;
        all_squares += squares;
    }
    return chi > (double)n_generations * pow(1 - ninth + normal_one_percent * sqrt(ninth), 3) || all * all > chi_one_percent * all_squares;
}

/* The scale of all but a fifth on each side, whatever lies between: no mode is narrow by it. */
static double wide_scale(const struct contrast *c, size_t n)
{
    return width_between(c, 0, n, 0.2) / quintiles_of_normal;
}

static void locate(const struct contrast *c, const size_t *length, size_t n_generations, double scale, double *centre)
{
    size_t at = 0;
    for (size_t g = 0; g < n_generations; at += length[g++])
        centre[g] = robust_location(c->x + at * c->width, length[g], c->width, scale, c->influence + at, c->work);
}

static void estimate(const struct contrast *c, const size_t *length, size_t n_generations, double *centre, double *variance,
                     double *inflation)
{
    double scale = common_scale(c, length, n_generations);
    size_t n = total_rounds(length, n_generations), at = 0;
    locate(c, length, n_generations, scale, centre);
    bool is_torn = floor_torn(c, length, n_generations, centre, scale, variance);
    if (is_torn || is_lopsided(c, length, n_generations, centre, scale))
        locate(c, length, n_generations, fmax(scale, wide_scale(c, n * c->width)), centre);
    *inflation = series_inflation(c->influence, length, n_generations);
    double freedom = fmax(1, (double)(n - n_generations));
    double pooled = mean_square(c->influence, n) * (double)n / freedom;
    for (size_t g = 0; g < n_generations; at += length[g++]) {
        double rounds = (double)length[g], own = mean_square(c->influence + at, length[g]);
        variance[g] = fmax(variance[g], *inflation * (rounds * own + prior_rounds * pooled) / (rounds + prior_rounds) / rounds);
    }
}

static void head_contrast(const double (*x)[PAIRED_LANES], size_t n, double *out)
{
    for (size_t r = 0; r < n; r++) {
        out[2 * r] = x[r][PAIRED_HEAD] - x[r][PAIRED_BASE];
        out[2 * r + 1] = x[r][PAIRED_HEAD] - x[r][PAIRED_BASE2];
    }
}

static void null_contrast(const double (*x)[PAIRED_LANES], size_t n, double *out)
{
    for (size_t r = 0; r < n; r++)
        out[r] = x[r][PAIRED_BASE2] - x[r][PAIRED_BASE];
}

bool paired_estimate(const struct paired_round *rounds, const size_t *length, size_t n_generations, struct paired *paired)
{
    size_t n = total_rounds(length, n_generations);
    double *results = malloc(4 * n_generations * sizeof *results);
    double *space = malloc(n * 18 * sizeof *space);  /* adjusted times 3; then 15 to adjust, or contrasts 2, influence 2, work 2 */
    if (!results || !space) {
        free(results);
        free(space);
        return false;
    }
    *paired = (struct paired){n_generations, results, results + n_generations, results + 2 * n_generations,
                              results + 3 * n_generations, 1, 1, {0}, {0}, 0};
    double (*x)[PAIRED_LANES] = (void *)space;
    struct contrast c = {space + 3 * n, space + 5 * n, space + 7 * n, 2};
    paired_adjust(rounds, length, n_generations, x, c.x, paired);
    head_contrast((const double (*)[PAIRED_LANES])x, n, c.x);
    estimate(&c, length, n_generations, paired->head, paired->head_variance, &paired->inflation);
    c.width = 1;
    null_contrast((const double (*)[PAIRED_LANES])x, n, c.x);
    estimate(&c, length, n_generations, paired->null, paired->null_variance, &paired->null_inflation);
    free(space);
    return true;
}

void paired_clear(struct paired *paired)
{
    free(paired->head);
    *paired = (struct paired){0};
}
