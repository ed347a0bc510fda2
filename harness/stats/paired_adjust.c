/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/paired.h"

#include "stats/robust.h"

#include <math.h>
#include <string.h>

static const double least_f = 5;        /* about P = 0.007 at 2 degrees of freedom */
static const double ridge = 0.02;       /* of a round: directions that the order hardly shows go to 0 */
static const double cut_scales = 3;
enum { MOST_PASSES = 10 };
static const double least_tangle = 33.4;  /* P = 1e-6 of chi-square with the 4 degrees of freedom of an interaction of 3 x 3: stolen slices come in runs */

typedef double triple[PAIRED_LANES];

/* Which level of a factor the turn of `lane` has in round r: position, or lane before; -1 where there is none. */
typedef int level_of(const struct paired_round *rounds, size_t r, bool first, size_t lane);

static int place(const struct paired_round *round, size_t lane)
{
    return round->order[0] == lane ? 0 : round->order[1] == lane ? 1 : 2;
}

static int level_position(const struct paired_round *rounds, size_t r, bool first, size_t lane)
{
    (void)first;
    return place(&rounds[r], lane);
}

static int level_carry(const struct paired_round *rounds, size_t r, bool first, size_t lane)
{
    int at = place(&rounds[r], lane);
    if (at > 0)
        return rounds[r].order[at - 1];
    return first ? -1 : rounds[r - 1].order[PAIRED_LANES - 1];
}

/* Takes off the mean of each round, then the mean of each lane over these rounds. */
static void centre_twice(triple *x, size_t n)
{
    triple lanes = {0};
    for (size_t r = 0; r < n; r++) {
        double mean = (x[r][0] + x[r][1] + x[r][2]) / PAIRED_LANES;
        for (size_t lane = 0; lane < PAIRED_LANES; lane++)
            lanes[lane] += (x[r][lane] -= mean) / (double)n;
    }
    for (size_t r = 0; r < n; r++)
        for (size_t lane = 0; lane < PAIRED_LANES; lane++)
            x[r][lane] -= lanes[lane];
}

static void centre_generations(triple *x, const size_t *length, size_t n_generations)
{
    for (size_t g = 0; g < n_generations; x += length[g++])
        centre_twice(x, length[g]);
}

/* The indicator of one level for rounds start..start+n of a generation, centred like the times. */
static void indicator(const struct paired_round *rounds, size_t start, size_t n, level_of *level, int wanted, triple *out)
{
    for (size_t r = 0; r < n; r++)
        for (size_t lane = 0; lane < PAIRED_LANES; lane++)
            out[r][lane] = level(rounds, start + r, r == 0, lane) == wanted;
    centre_twice(out, n);
}

static double product(const triple *a, const triple *b, size_t n)
{
    double sum = 0;
    for (size_t r = 0; r < n; r++)
        for (size_t lane = 0; lane < PAIRED_LANES; lane++)
            sum += a[r][lane] * b[r][lane];
    return sum;
}

/* Solves the symmetric positive definite A x = b by elimination. */
static void solve(double A[PAIRED_LANES][PAIRED_LANES], triple b)
{
    for (size_t i = 0; i < PAIRED_LANES; i++)
        for (size_t j = i + 1; j < PAIRED_LANES; j++) {
            double f = A[j][i] / A[i][i];
            for (size_t k = i; k < PAIRED_LANES; k++)
                A[j][k] -= f * A[i][k];
            b[j] -= f * b[i];
        }
    for (size_t i = PAIRED_LANES; i-- > 0;) {
        for (size_t k = i + 1; k < PAIRED_LANES; k++)
            b[i] -= A[i][k] * b[k];
        b[i] /= A[i][i];
    }
}

/* Residuals of the rounds without any effect, cut at 3 scales. */
static void residuals(const triple *x, const size_t *length, size_t n_generations, size_t n, triple *e, double *work)
{
    memcpy(e, x, n * sizeof *e);
    centre_generations(e, length, n_generations);
    double *flat = (double *)e, cut = cut_scales * robust_scale(flat, n * PAIRED_LANES, work);
    for (size_t i = 0; i < n * PAIRED_LANES; i++)
        flat[i] = fmin(fmax(flat[i], -cut), cut);
}

/* Whether the effects stand out. */
static bool fit(const struct paired_round *rounds, const size_t *length, size_t n_generations, level_of *level, triple *x,
                size_t n, double *work, double *effect)
{
    triple *e = (triple *)work, *columns[PAIRED_LANES] = {e + n, e + 2 * n, e + 3 * n};
    double A[PAIRED_LANES][PAIRED_LANES], b[PAIRED_LANES], explained = 0;
    residuals((const triple *)x, length, n_generations, n, e, work + 3 * n);
    for (int i = 0; i < PAIRED_LANES; i++) {
        size_t start = 0;
        for (size_t g = 0; g < n_generations; start += length[g++])
            indicator(rounds, start, length[g], level, i, columns[i] + start);
    }
    for (size_t i = 0; i < PAIRED_LANES; i++) {
        for (size_t j = 0; j < PAIRED_LANES; j++)
            A[i][j] = product((const triple *)columns[i], (const triple *)columns[j], n) + (i == j ? ridge * (double)n : 0);
        b[i] = effect[i] = product((const triple *)columns[i], (const triple *)e, n);
    }
    solve(A, effect);
    for (size_t i = 0; i < PAIRED_LANES; i++)
        explained += b[i] * effect[i];
    double freedom = 2.0 * (double)(n - n_generations) - 2, left = product((const triple *)e, (const triple *)e, n) - explained;
    return freedom > 0 && explained / 2 > least_f * left / freedom;
}

static void take_off(const struct paired_round *rounds, const size_t *length, size_t n_generations, level_of *level,
                     const double *effect, triple *x)
{
    size_t at = 0;
    for (size_t g = 0; g < n_generations; g++)
        for (size_t r = 0; r < length[g]; r++, at++)
            for (size_t lane = 0; lane < PAIRED_LANES; lane++) {
                int which = level(rounds, at, r == 0, lane);
                x[at][lane] -= which >= 0 ? effect[which] : 0;
            }
}

/* Fits one group and takes it off x; `effect` adds up what was taken off. Returns whether anything was. */
static bool sweep(const struct paired_round *rounds, const size_t *length, size_t n_generations, level_of *level, triple *x, size_t n,
                  double *work, double *effect)
{
    triple found;
    if (!fit(rounds, length, n_generations, level, x, n, work, found))
        return false;
    take_off(rounds, length, n_generations, level, found, x);
    for (size_t i = 0; i < PAIRED_LANES; i++)
        effect[i] += found[i];
    return true;
}

/* Root mean square of what turns of one lane after one other owe beyond both, if it stands out; else 0. `work` holds 6 n. Residuals are centred
 * once more after the cut: before it, one wild turn moves its lane's mean, and so all that the lane owes. */
static double tangle(const struct paired_round *rounds, const size_t *length, size_t n_generations, const triple *x, size_t n, double *work)
{
    triple *e = (triple *)work, sum[PAIRED_LANES] = {{0}}, count[PAIRED_LANES] = {{0}};
    double explained = 0, turns = PAIRED_LANES * (double)n;
    size_t at = 0;
    residuals(x, length, n_generations, n, e, work + 3 * n);
    centre_generations(e, length, n_generations);
    for (size_t g = 0; g < n_generations; g++)
        for (size_t r = 0; r < length[g]; r++, at++)
            for (size_t lane = 0; lane < PAIRED_LANES; lane++) {
                int before = level_carry(rounds, at, r == 0, lane);
                if (before >= 0) {
                    sum[before][lane] += e[at][lane];
                    count[before][lane]++;
                }
            }
    for (size_t i = 0; i < PAIRED_LANES * PAIRED_LANES; i++) {
        double turns_here = count[i / PAIRED_LANES][i % PAIRED_LANES], total = sum[i / PAIRED_LANES][i % PAIRED_LANES];
        explained += total * total / fmax(1, turns_here);
    }
    double left = product((const triple *)e, (const triple *)e, n) - explained;
    return explained > least_tangle * left / turns ? sqrt(explained / turns) : 0;
}

void paired_adjust(const struct paired_round *rounds, const size_t *length, size_t n_generations, double (*x)[PAIRED_LANES],
                   double *work, struct paired *paired)
{
    size_t n = 0;
    for (size_t g = 0; g < n_generations; g++)
        for (size_t r = 0; r < length[g]; r++, n++)
            memcpy(x[n], rounds[n].log_ns, sizeof x[n]);
    memset(paired->carry, 0, sizeof paired->carry);
    memset(paired->position, 0, sizeof paired->position);
    for (int pass = 0, found = 1; found && pass < MOST_PASSES; pass++) {
        found = sweep(rounds, length, n_generations, level_carry, x, n, work, paired->carry);
        found |= sweep(rounds, length, n_generations, level_position, x, n, work, paired->position);
    }
    paired->tangle = tangle(rounds, length, n_generations, (const triple *)x, n, work);
}
