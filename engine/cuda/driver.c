/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/driver.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *sentence;
} outcomes[] = {
#define OUTCOME(name, sentence) {#name, sentence},
#include "cuda/outcomes.def"
#undef OUTCOME
};

const char *cuda_outcome_name(enum cuda_outcome outcome)
{
    return outcomes[outcome < CUDA_OUTCOMES ? outcome : CUDA_OUTCOME_mismatch].name;
}

const char *cuda_outcome_sentence(enum cuda_outcome outcome)
{
    return outcomes[outcome < CUDA_OUTCOMES ? outcome : CUDA_OUTCOME_mismatch].sentence;
}

enum cuda_outcome cuda_fail(struct cuda_fault *fault, enum cuda_outcome outcome, const char *format, ...)
{
    if (!fault)
        return outcome;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->text, sizeof fault->text, format, arguments);
    va_end(arguments);
    fault->outcome = outcome;
    return outcome;
}

/* Codes of the driver that mean something else than "the context broke". Source: CUDA Driver API, enum CUresult. */
static const struct {
    int first, last;
    enum cuda_outcome outcome;
} meanings[] = {
    {0, 0, CUDA_OUTCOME_ok},
    {1, 1, CUDA_OUTCOME_mismatch},        /* invalid value: this library and the driver disagree */
    {2, 2, CUDA_OUTCOME_out_of_memory},
    {34, 36, CUDA_OUTCOME_no_driver},     /* a stub library; a call that needs a newer driver is next */
    {46, 46, CUDA_OUTCOME_no_device},     /* busy or forbidden */
    {100, 101, CUDA_OUTCOME_no_device},
    {200, 201, CUDA_OUTCOME_mismatch},
    {209, 209, CUDA_OUTCOME_too_old},     /* no kernel image for this card */
    {218, 222, CUDA_OUTCOME_mismatch},
    {400, 500, CUDA_OUTCOME_mismatch},
    {701, 701, CUDA_OUTCOME_out_of_memory}, /* a launch asked for more registers or shared memory than there are */
    {702, 702, CUDA_OUTCOME_timeout},
    {720, 720, CUDA_OUTCOME_out_of_memory}, /* more blocks were to run together than the card holds */
    {801, 801, CUDA_OUTCOME_too_old},
    {803, 804, CUDA_OUTCOME_mismatch},
    {900, 908, CUDA_OUTCOME_mismatch},
    {909, 909, CUDA_OUTCOME_timeout},
};

enum cuda_outcome cuda_outcome_of(int code)
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (code >= meanings[i].first && code <= meanings[i].last)
            return meanings[i].outcome;
    return CUDA_OUTCOME_sticky;
}

static const char *const symbols[] = {
#define DRIVER(name, symbol, arguments) #symbol,
#include "cuda/driver.def"
#undef DRIVER
};

/* The members after `library` are pointers to functions, one per row. */
_Static_assert(sizeof(struct cuda_driver) == (1 + sizeof symbols / sizeof *symbols) * sizeof(void *), "one pointer a row");

enum cuda_outcome cuda_driver_open(struct cuda_driver *driver, const char *path, struct cuda_fault *fault)
{
    const char *chosen = path ? path : getenv("TERN_CUDA_DRIVER");
    if (!chosen || !*chosen)
        chosen = "libcuda.so.1";
    memset(driver, 0, sizeof *driver);
    driver->library = dlopen(chosen, RTLD_NOW | RTLD_LOCAL);
    if (!driver->library)
        return cuda_fail(fault, CUDA_OUTCOME_no_driver, "%s: %s", cuda_outcome_sentence(CUDA_OUTCOME_no_driver), dlerror());
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *symbol = dlsym(driver->library, symbols[i]);
        if (!symbol) {
            cuda_driver_close(driver);
            return cuda_fail(fault, CUDA_OUTCOME_too_old, "the driver %s lacks %s; CUDA 12 or later has it", chosen, symbols[i]);
        }
        memcpy((char *)driver + (1 + i) * sizeof(void *), &symbol, sizeof symbol);
    }
    return CUDA_OUTCOME_ok;
}

void cuda_driver_close(struct cuda_driver *driver)
{
    if (driver->library)
        dlclose(driver->library);
    memset(driver, 0, sizeof *driver);
}
