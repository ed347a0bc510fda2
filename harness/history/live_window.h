/* SPDX-License-Identifier: Apache-2.0
 *
 * The rolling window of one name, and when it is surely above a level. Pure.
 */
#ifndef HISTORY_LIVE_WINDOW_H
#define HISTORY_LIVE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>

enum { LIVE_WINDOW = 64 };

struct live_window {
    double ring[LIVE_WINDOW];
    size_t total;
    bool is_above;
};

struct live_judged {
    bool is_raised;           /* it is above, and was not before */
    double median, low, high; /* of the window: low..high holds the true median with 99 % (order statistics 22 and 43 of 64) */
};

/* Takes one sample and judges the window: against `level` (0: nothing is judged), times 1 + tolerance. */
struct live_judged live_window_add(struct live_window *w, double ns, double level, double tolerance);

#endif
