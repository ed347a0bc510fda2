/* SPDX-License-Identifier: Apache-2.0
 *
 * From rounds of three lanes to one estimate per generation: head against the mean of base and base2, and the null
 * contrast base2 against base, each with its variance within the generation.
 */
#ifndef PAIRED_H
#define PAIRED_H

#include <stdbool.h>
#include <stddef.h>

enum { PAIRED_BASE, PAIRED_BASE2, PAIRED_HEAD, PAIRED_LANES };

/* One round: ln of each lane's time by lane, and the lanes in the order run. */
struct paired_round {
    double log_ns[PAIRED_LANES];
    unsigned char order[PAIRED_LANES];
};

/* Per generation, arrays owned by this object; see paired_clear. `inflation` is series_inflation of the head contrast. */
struct paired {
    size_t n;
    double *head, *head_variance, *null, *null_variance;
    double inflation, null_inflation;
    double carry[PAIRED_LANES];     /* what was taken off a turn that followed base, base2, head, against one that opened a generation */
    double position[PAIRED_LANES];  /* what was taken off the first, second, third turn of a round; sums to 0 */
    double tangle;                  /* what turns owe to their lane and the lane before together, root mean square; 0 where it does not stand out */
};

/*
 * Estimates from `n_generations` consecutive pieces of rounds, length[g] >= 1 rounds each. First takes off what a turn
 * owes to its place in the round and to the lane before it, where the order lets these be told from the lanes
 * themselves and they stand out (paired_adjust below). Then per generation a biweight location of the contrasts
 * head-base and head-base2 together, and of base2-base, on a scale common to the generations; the variance of a round
 * is that of its influence, drawn towards the mean over generations with the weight of 20 rounds, times the inflation
 * by dependence. A generation that fell apart into two states gets at least the variance of a single round; then, and where what lies
 * far from the locations lies on one side of them, the scale is that of all but a fifth of the contrasts on each side, so that
 * the locations are nearly means: a narrow scale leaves them at one of several modes. False when memory is short (then there is nothing to clear).
 */
bool paired_estimate(const struct paired_round *rounds, const size_t *length, size_t n_generations, struct paired *paired);
void paired_clear(struct paired *paired);

/*
 * Effects of the lane before and of the place in the round, by least squares on times that were centred twice (by round
 * and by lane within a generation; exact, since each round has each lane once) and cut at 3 robust scales:
 *   ln ns = round + lane(generation) + carry[lane before] + noise,   then the same with position[p];
 * both again on what is left until nothing stands out, ten times at most: what is cut off an effect far beyond the noise is found then.
 * A ridge of 2 % of the rounds sends what the order does not show to 0 (a fixed order shows nothing); a group of
 * effects is kept only if its F ratio is above 5, else it is 0. The lane before the first of a round is the last of the
 * round before it. `x` (n rounds) receives the adjusted times; `work` holds 15 n values.
 * What is then left is averaged by lane and lane before. Such means (an interaction) cannot be taken off: their mean over the lanes
 * before is as good as a change of the lane. If their weighted squares exceed 33.4 times the mean square that they leave, `tangle` says how large they are.
 * Sources: residual effects in crossover designs, Williams, Australian Journal of Scientific Research A2 (1949) 149-168; least
 * squares repeated on cut residuals ("modified residuals"), Huber, Robust Statistics (1981), section 7.8.
 */
void paired_adjust(const struct paired_round *rounds, const size_t *length, size_t n_generations, double (*x)[PAIRED_LANES],
                   double *work, struct paired *paired);

#endif
