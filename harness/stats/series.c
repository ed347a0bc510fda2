/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/series.h"

#include <math.h>

double series_autocorrelation(const double *x, size_t n, size_t lag)
{
    double mean = 0, square = 0, product = 0;
    for (size_t i = 0; i < n; i++)
        mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        square += (x[i] - mean) * (x[i] - mean);
    for (size_t i = lag; i < n; i++)
        product += (x[i] - mean) * (x[i - lag] - mean);
    return square > 0 ? product / square : 0;
}

struct blocks {
    double square;  /* sum of squared block sums, each divided by its length */
    double n;
};

static struct blocks block_sums(const double *x, const size_t *length, size_t n_pieces, size_t size)
{
    struct blocks blocks = {0, 0};
    for (size_t piece = 0; piece < n_pieces; x += length[piece++])
        for (size_t start = 0; start + size <= length[piece]; start += size) {
            double sum = 0;
            for (size_t i = start; i < start + size; i++)
                sum += x[i];
            blocks.square += sum * sum / (double)size;
            blocks.n++;
        }
    return blocks;
}

double series_inflation(const double *x, const size_t *length, size_t n_pieces)
{
    struct blocks single = block_sums(x, length, n_pieces, 1);
    double largest = 1;  /* also of zeros, whose ratio is no number: fmax passes over it */
    for (size_t size = 2;; size *= 2) {
        struct blocks b = block_sums(x, length, n_pieces, size);
        if (b.n < 12)
            return largest;
        double ratio = (b.square / b.n) / (single.square / single.n);
        largest = fmax(largest, ratio * (1 - sqrt(2 / b.n)));
    }
}
