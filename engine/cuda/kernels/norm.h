/* SPDX-License-Identifier: Apache-2.0
 * Arguments of the norms (norm.cu), as host and device both see them. Pointers are device addresses. */
#ifndef CUDA_NORM_ARGUMENTS_H
#define CUDA_NORM_ARGUMENTS_H

#include "arguments.h"
#include "session.h"

enum {
    NORM_THREADS = 512,
    NORM_PARTIALS = 512,            /* partial sums of squares, as on the CPU (core/sums.h) */
    NORM_FEW = 5, NORM_MANY = 14, /* numbers that registers of a thread hold: of a row of the 2B-4T shape's width, of its feed-forward part */
};

/* What is normalised: x · x + added (kept) · relu(x)^2 * added */
enum norm_kind { NORM_PLAIN, NORM_RESIDUAL, NORM_GATE };

struct norm_args {
    const float *x, *added, *w;
    int between;                /* x (but of a residual, whose rows are n floats) and added may come from several cards, a part of each row from each: */
    unsigned per_card;          /* element i of a row lies at i + card * between, card = i * per_card / 2^32 (norm_per_card) */
    int ldx;                    /* rows lie so far apart */
    float *kept;                /* the new residual, rows of n; not x, which other blocks may still read */
    int8_t *q; /* rows of ldq */
    float *scale;
    float eps;
    int kind, n, ldq;
    uint64_t *marks; /* of a norm alone */
};

/* 2^32 / part, rounded up: exact for rows of less than 2^16 elements; part: those of one card. */
CUDA_SHARED unsigned norm_per_card(unsigned part) { return (unsigned)(((1ull << 32) + part - 1) / part); }

/* x = rows of the embedding for tokens. */
struct embed_args {
    float *x;                   /* rows of n */
    const float *table;         /* the embedding as floats; or null, and */
    const int8_t *rows;         /* as int8 with */
    const float *scales;        /* one a row */
    const uint32_t *history;    /* tokens by position; */
    int history_pitch;          /* 0: the rows follow each other in one sequence; else each is a sequence's own, their histories so far apart */
    const struct session_state *state;
    int n;
};

#endif
