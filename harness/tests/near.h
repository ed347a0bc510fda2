/* SPDX-License-Identifier: Apache-2.0
 *
 * cmocka compares floats only; this compares doubles and says both values. Include after cmocka.h.
 */
#ifndef NEAR_H
#define NEAR_H

#include <math.h>

#define assert_near(a, b, epsilon)                                                     \
    do {                                                                               \
        double near_a_ = (a), near_b_ = (b);                                           \
        if (!(fabs(near_a_ - near_b_) <= (epsilon)))                                   \
            fail_msg("%s = %.17g, %s = %.17g: differ", #a, near_a_, #b, near_b_);      \
    } while (0)

#endif
