/* SPDX-License-Identifier: Apache-2.0
 * Change points: what must be found, what must not, and what a finished series and a growing one have in common. */
#include "stats/changepoint.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROOM = 64, MOST = 2000 };

static uint64_t state;

/* SplitMix64 (Steele, Lea and Flood 2014). */
static double uniform(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return ((double)((z ^ (z >> 31)) >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

struct case_series {
    int64_t index[MOST];
    double value[MOST];
    size_t n;
};

static struct case_series make(size_t n, double level, double noise, uint64_t seed)
{
    struct case_series s = {.n = n};
    state = seed;
    for (size_t i = 0; i < n; i++) {
        s.index[i] = (int64_t)i;
        s.value[i] = level * exp(noise * normal());
    }
    return s;
}

static void scale_from(struct case_series *s, size_t from, double factor)
{
    for (size_t i = from; i < s->n; i++)
        s->value[i] *= factor;
}

struct found {
    struct changepoint items[ROOM];
    size_t n;
    struct changepoint_trend trend;
};

static struct found find(const struct case_series *s)
{
    struct found f = {0};
    assert_true(changepoint_find(s->index, s->value, s->n, &changepoint_defaults, f.items, ROOM, &f.n, &f.trend));
    return f;
}

static void assert_step(const struct changepoint *c, size_t at, double change)
{
    assert_int_equal(c->kind, CHANGEPOINT_STEP);
    assert_in_range(c->at, at - 2, at + 2);
    assert_in_range(at, c->first, c->last);
    assert_true(c->low <= change && change <= c->high);
    assert_true(fabs(c->change - change) < 0.03);
    assert_true(c->confidence > 0.9);
}

static void finds_steps_up_and_down(void **unused)
{
    (void)unused;
    struct case_series s = make(200, 1000, 0.01, 1);
    scale_from(&s, 80, 1.10);
    scale_from(&s, 140, 0.90);
    struct found f = find(&s);
    assert_int_equal(f.n, 2);
    assert_step(&f.items[0], 80, 0.10);
    assert_step(&f.items[1], 140, -0.10);
    assert_true(f.trend.per_index == 0);
}

static void outliers_are_no_steps(void **unused)
{
    (void)unused;
    struct case_series s = make(200, 1000, 0.01, 2);
    for (size_t i = 10; i < 200; i += 37)
        s.value[i] *= 2.5;
    assert_int_equal(find(&s).n, 0);
    scale_from(&s, 100, 1.05);
    struct found f = find(&s);
    assert_int_equal(f.n, 1);
    assert_step(&f.items[0], 100, 0.05);
}

static void a_slow_ramp_is_a_slope(void **unused)
{
    (void)unused;
    struct case_series s = make(300, 1000, 0.01, 3);
    for (size_t i = 0; i < s.n; i++)
        s.value[i] *= 1 + 0.10 * (double)i / 299;
    struct found f = find(&s);
    assert_int_equal(f.n, 0);
    assert_true(fabs(f.trend.per_index * 300 - 0.095) < 0.02);
    scale_from(&s, 150, 1.08);
    f = find(&s);
    assert_int_equal(f.n, 1);
    assert_step(&f.items[0], 150, 0.08);
}

static void a_ramp_between_two_levels_is_a_ramp(void **unused)
{
    (void)unused;
    struct case_series s = make(240, 1000, 0.01, 4);
    for (size_t i = 80; i < s.n; i++)
        s.value[i] *= i < 160 ? 1 + 0.20 * (double)(i - 79) / 81 : 1.20;
    struct found f = find(&s);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.items[0].kind, CHANGEPOINT_RAMP);
    assert_in_range(f.items[0].first, 70, 90);
    assert_in_range(f.items[0].last, 150, 170);
    assert_true(fabs(f.items[0].change - 0.20) < 0.03);
}

static void loud_stretches_are_no_steps(void **unused)
{
    (void)unused;
    for (uint64_t seed = 10; seed < 20; seed++) {
        struct case_series s = make(240, 1000, 0.01, seed);
        for (size_t i = 0; i < s.n; i++)
            if (i / 20 % 2)
                s.value[i] *= exp(0.1 * normal());
        assert_int_equal(find(&s).n, 0);
        scale_from(&s, 110, 1.10);
        struct found f = find(&s);
        assert_int_equal(f.n, 1);
        assert_in_range(f.items[0].at, 105, 115);
    }
}

static void ties_are_no_evidence(void **unused)
{
    (void)unused;
    struct case_series s = make(11, 5, 0, 5);
    s.value[10] = 5.001;
    assert_int_equal(find(&s).n, 0);
    s = make(30, 5, 0, 5);
    assert_int_equal(find(&s).n, 0);
    scale_from(&s, 15, 1.02);
    struct found f = find(&s);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.items[0].at, 15);
}

static void gaps_stay_gaps(void **unused)
{
    (void)unused;
    struct case_series gappy = {.index = {0, 1, 2, 3, 4}, .value = {1.0, 1.2, NAN, NAN, 4.3}, .n = 5};
    assert_int_equal(find(&gappy).n, 0);
    struct case_series s = make(200, 1000, 0.01, 6);
    scale_from(&s, 100, 1.10);
    for (size_t i = 90; i < 105; i++)
        s.value[i] = NAN;
    struct found f = find(&s);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.items[0].at, 105);
}

static void numbers_that_are_no_times(void **unused)
{
    (void)unused;
    struct case_series zeros = {.n = 11}, below = make(120, 1, 0, 7);
    for (size_t i = 0; i < zeros.n; i++)
        zeros.index[i] = (int64_t)i;
    assert_int_equal(find(&zeros).n, 0);
    for (size_t i = 0; i < below.n; i++)
        below.value[i] = -10 + 0.1 * normal() + (i < 60 ? 0 : 2);
    struct found f = find(&below);
    assert_int_equal(f.n, 1);
    assert_in_range(f.items[0].at, 59, 61);
    assert_true(f.items[0].low <= -0.2 && f.items[0].high >= -0.2);
    struct case_series mostly = make(130, 5, 0.01, 16);  /* more than half are 0, and so is the median: the largest is the unit */
    for (size_t i = 0; i < 70; i++)
        mostly.value[i] = 0;
    f = find(&mostly);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.items[0].at, 70);
    assert_true(fabs(f.items[0].after - 5) < 0.02 && f.items[0].before == 0);
    assert_true(f.trend.spread < 0.011);
    struct case_series huge = make(100, 1e300, 0.01, 8), tiny = make(100, 1e-300, 0.01, 8);
    scale_from(&huge, 50, 1.1);
    scale_from(&tiny, 50, 1.1);
    assert_int_equal(find(&huge).n, 1);
    assert_int_equal(find(&tiny).n, 1);
}

static void few_points_decide_nothing(void **unused)
{
    (void)unused;
    for (size_t n = 0; n < 8; n++) {
        struct case_series s = make(n, 1000, 0.01, 9);
        scale_from(&s, n / 2, 2);
        assert_int_equal(find(&s).n, 0);
    }
}

static void refuses_indices_that_do_not_rise(void **unused)
{
    (void)unused;
    struct case_series s = make(20, 1, 0.01, 1);
    struct found f = {0};
    s.index[7] = s.index[6];
    assert_false(changepoint_find(s.index, s.value, s.n, &changepoint_defaults, f.items, ROOM, &f.n, NULL));
}

/* Pure noise: the share of series with a report, for lengths where a t-test on the best split gives 0.5 to 26 %. */
static void noise_is_quiet(void **unused)
{
    (void)unused;
    static const size_t lengths[] = {8, 10, 20, 50, 100, 200, 400};
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        size_t with_report = 0, tries = 400;
        for (size_t k = 0; k < tries; k++) {
            struct case_series s = make(lengths[l], 1000, 0.02, 1000 * l + k);
            with_report += find(&s).n > 0;
        }
        print_message("# %zu points of noise: %.2f %% of series with a report\n", lengths[l], 100.0 * (double)with_report / (double)tries);
        assert_true(with_report <= 12);
    }
}

static void room_is_kept(void **unused)
{
    (void)unused;
    struct case_series s = make(400, 1000, 0.005, 11);
    for (size_t i = 40; i < 400; i += 40)
        scale_from(&s, i, i / 40 % 2 ? 1.2 : 1 / 1.2);
    struct changepoint out[3];
    size_t n;
    assert_true(changepoint_find(s.index, s.value, s.n, &changepoint_defaults, out, 3, &n, NULL));
    assert_int_equal(n, 3);
    assert_int_equal(find(&s).n, 9);
}

static void an_alarm_is_said_once_and_soon(void **unused)
{
    (void)unused;
    struct case_series s = make(200, 1000, 0.01, 12);
    scale_from(&s, 100, 1.10);
    s.value[50] *= 3;
    s.value[199] *= 2;
    struct changepoint_alarm out[ROOM];
    size_t n;
    assert_true(changepoint_stream(s.index, s.value, s.n, 0, &changepoint_stream_defaults, out, ROOM, &n));
    assert_int_equal(n, 1);
    assert_in_range(out[0].at, 98, 102);
    assert_in_range(out[0].seen, 101, 108);
}

/* Who looked at the first `from` points before is told at the same point, or, where it was told already, at the next. */
static void what_was_looked_at_gives_standing(void **unused)
{
    (void)unused;
    struct case_series s = make(60, 1000, 0.01, 14);
    scale_from(&s, 30, 1.10);
    struct changepoint_alarm first, out;
    size_t n;
    assert_true(changepoint_stream(s.index, s.value, s.n, 0, &changepoint_stream_defaults, &first, 1, &n));
    assert_int_equal(n, 1);
    assert_in_range(first.at, 29, 31);
    for (size_t from = first.seen - 4; from < first.seen + 8; from++) {
        assert_true(changepoint_stream(s.index, s.value, s.n, from, &changepoint_stream_defaults, &out, 1, &n));
        assert_int_equal(n, 1);
        assert_int_equal(out.seen, from > first.seen ? from : first.seen);
    }
}

/* Unit and factor of the values do not matter; the same data give the same answer. */
static void scale_does_not_matter(void **unused)
{
    (void)unused;
    struct case_series s = make(200, 1, 0.02, 13);
    scale_from(&s, 70, 1.07);
    struct found a = find(&s), again = find(&s);
    scale_from(&s, 0, 1e6);
    struct found b = find(&s);
    assert_int_equal(a.n, b.n);
    assert_int_equal(a.items[0].at, b.items[0].at);
    assert_true(fabs(a.items[0].change - b.items[0].change) < 1e-9);
    assert_memory_equal(&a, &again, sizeof a);
}

/* ---- pinned: what is found in seeded series of many shapes; `changepoint_test pin` prints the rows anew */

/* Series k of the pinned ones: length, noise, and each feature on or off by a bit of k. */
static struct case_series pinned_series(size_t k)
{
    static const size_t lengths[] = {9, 30, 64, 150, 333};
    size_t n = lengths[k % 5];
    struct case_series s = make(n, 100, k % 3 ? 0.01 : 0.04, 5000 + k);
    if (k & 1)
        scale_from(&s, n / 3, 1.06);
    if (k & 2)
        scale_from(&s, 2 * n / 3, k % 7 < 3 ? 0.95 : 1.15);
    for (size_t i = 0; i < n; i++) {
        s.index[i] = (int64_t)(k & 4 ? i * i / 4 + i : i + 1000);
        s.value[i] *= k & 8 ? 1 + 0.2 * (double)i / (double)n : 1;
        s.value[i] *= k & 16 && i / 12 % 3 == 1 ? exp(0.08 * normal()) : 1;
        s.value[i] *= k & 32 && i > n / 2 ? 1 + 0.2 * fmin(1, (double)(i - n / 2) / ((double)n / 4)) : 1;
        if (uniform() < 0.04)
            s.value[i] = k & 64 ? NAN : 2 * s.value[i];
        s.value[i] = k % 11 == 10 ? round(s.value[i]) - 100 : s.value[i];
    }
    return s;
}

struct pin {
    size_t series;
    long which;    /* number of the answer, or of the newest point at an alarm; TREND; ALARMS: how many there are */
    size_t found;  /* of them */
    enum changepoint_kind kind;
    size_t at, first, last;
    double before, after, change, low, high, confidence;
};

enum { PINNED = 220, ALARMED = 3, TREND = -1, ALARMS = -2 };
static const struct pin pins[] = {
#include "changepoint_pinned.def"
};

static struct pin pin_of(size_t series, long which, size_t n, const struct changepoint *c)
{
    return (struct pin){series, which, n, c->kind, c->at, c->first, c->last, c->before, c->after, c->change, c->low, c->high, c->confidence};
}

/* All rows of one series. */
static size_t pin_series(size_t k, struct pin *out)
{
    struct case_series s = pinned_series(k);
    struct found f = find(&s);
    size_t n = 0, raised = 0;
    struct changepoint_alarm alarms[ROOM];
    for (size_t i = 0; i < f.n; i++)
        out[n++] = pin_of(k, (long)i, f.n, &f.items[i]);
    out[n++] = (struct pin){.series = k, .which = TREND, .found = f.n, .change = f.trend.per_index, .confidence = f.trend.spread};
    if (k % ALARMED == 0 && s.n < 200) {
        assert_true(changepoint_stream(s.index, s.value, s.n, k % 2 ? s.n / 2 : 0, &changepoint_stream_defaults, alarms, k % 4 ? ROOM : 1, &raised));
        out[n++] = (struct pin){.series = k, .which = ALARMS, .found = raised};
        for (size_t i = 0; i < raised; i++) {
            out[n] = pin_of(k, (long)alarms[i].seen, raised, &alarms[i].change);
            out[n++].at = alarms[i].at;
        }
    }
    return n;
}

static int print_pins(void)
{
    for (size_t k = 0; k < PINNED; k++) {
        struct pin rows[3 * ROOM];
        size_t n = pin_series(k, rows);
        for (size_t i = 0; i < n; i++) {
            const struct pin *p = &rows[i];
            printf("{%zu, %ld, %zu, %d, %zu, %zu, %zu, %.9g, %.9g, %.9g, %.9g, %.9g, %.9g},\n", p->series, p->which, p->found, p->kind, p->at, p->first, p->last, p->before, p->after,
                   p->change, p->low, p->high, p->confidence);
        }
    }
    return 0;
}

static void pinned_answers_stay(void **unused)
{
    (void)unused;
    size_t at = 0;
    for (size_t k = 0; k < PINNED; k++) {
        struct pin rows[3 * ROOM];
        size_t n = pin_series(k, rows);
        for (size_t i = 0; i < n; i++, at++) {
            const struct pin *a = &pins[at], *b = &rows[i];
            if (at >= sizeof pins / sizeof *pins || a->series != k || a->which != b->which || a->found != b->found || a->kind != b->kind || a->at != b->at || a->first != b->first || a->last != b->last)
                fail_msg("series %zu, row %zu: kind %d at %zu (%zu..%zu), %zu found", k, i, b->kind, b->at, b->first, b->last, b->found);
            const double pairs[][2] = {{a->before, b->before}, {a->after, b->after}, {a->change, b->change}, {a->low, b->low}, {a->high, b->high}, {a->confidence, b->confidence}};
            for (size_t j = 0; j < sizeof pairs / sizeof *pairs; j++)
                if (!(fabs(pairs[j][0] - pairs[j][1]) <= 1e-6 * (fabs(pairs[j][0]) + 1e-3)))
                    fail_msg("series %zu, row %zu, figure %zu: %.9g, pinned %.9g", k, i, j, pairs[j][1], pairs[j][0]);
        }
    }
    assert_int_equal(at, sizeof pins / sizeof *pins);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "pin") == 0)
        return print_pins();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_steps_up_and_down), cmocka_unit_test(outliers_are_no_steps), cmocka_unit_test(a_slow_ramp_is_a_slope),
        cmocka_unit_test(a_ramp_between_two_levels_is_a_ramp), cmocka_unit_test(loud_stretches_are_no_steps), cmocka_unit_test(ties_are_no_evidence),
        cmocka_unit_test(gaps_stay_gaps), cmocka_unit_test(numbers_that_are_no_times), cmocka_unit_test(few_points_decide_nothing),
        cmocka_unit_test(refuses_indices_that_do_not_rise), cmocka_unit_test(noise_is_quiet), cmocka_unit_test(room_is_kept),
        cmocka_unit_test(an_alarm_is_said_once_and_soon), cmocka_unit_test(what_was_looked_at_gives_standing), cmocka_unit_test(scale_does_not_matter), cmocka_unit_test(pinned_answers_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
