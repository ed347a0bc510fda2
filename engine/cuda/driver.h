/* SPDX-License-Identifier: Apache-2.0
 *
 * The CUDA driver, found when a card is first asked for and never linked: a machine without it runs everything else. The types
 * below have the driver's layout (64-bit Linux); types_check.c compares them with cuda.h where that is installed.
 */
#ifndef CUDA_DRIVER_H
#define CUDA_DRIVER_H

#include <stddef.h>
#include <stdint.h>

enum cuda_outcome {
#define OUTCOME(name, sentence) CUDA_OUTCOME_##name,
#include "cuda/outcomes.def"
#undef OUTCOME
    CUDA_OUTCOMES
};

/* "ok", "no_driver", …, and its sentence. Static. */
const char *cuda_outcome_name(enum cuda_outcome outcome);
const char *cuda_outcome_sentence(enum cuda_outcome outcome);

/* How a call ended, and one sentence when it did not work. Written only on failure. */
struct cuda_fault {
    enum cuda_outcome outcome;
    char text[240];
};

/* Returns `outcome` with the sentence "<what>: <meaning> (<name of the driver's code>)". fault may be null. */
enum cuda_outcome cuda_fail(struct cuda_fault *fault, enum cuda_outcome outcome, const char *format, ...) __attribute__((format(printf, 3, 4)));

enum { CUDA_SUCCESS_CODE = 0, CUDA_NOT_READY_CODE = 600 };

/* The outcome that one of the driver's codes stands for. */
enum cuda_outcome cuda_outcome_of(int code);

/* CUtensorMap, CUlaunchAttribute and CUlaunchConfig. */
struct cuda_tensor_map {
    _Alignas(64) uint64_t opaque[16];
};
struct cuda_attribute {
    uint32_t id, padding;
    union {
        char bytes[64];
        int flag;
    } value;
};
struct cuda_launch {
    unsigned grid[3], block[3], shared_bytes;
    void *stream;
    struct cuda_attribute *attributes;
    unsigned n_attributes;
};

struct cuda_driver {
    void *library;
#define DRIVER(name, symbol, arguments) int(*name) arguments;
#include "cuda/driver.def"
#undef DRIVER
};

/* Loads the library (path null: TERN_CUDA_DRIVER, else libcuda.so.1) and every function of it: no_driver, or too_old naming the first that it lacks. */
enum cuda_outcome cuda_driver_open(struct cuda_driver *driver, const char *path, struct cuda_fault *fault);
void cuda_driver_close(struct cuda_driver *driver);

#endif
