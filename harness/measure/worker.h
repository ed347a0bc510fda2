/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker: a process started by exec of this very program in which one suite lives and its cells are run. It is the only place
 * where suites, engines and libraries under measurement are loaded. It has its own process group, dies with its parent, and
 * whatever it does (crash, hang, exhausted memory, exit, closed pipe, forged answer) costs the cell that was open and no other.
 *
 * Two channels join it to the harness:
 *   pipes   requests and answers as frames (measure/frame.h): load, benches, describe, open, close. Rare, milliseconds matter little.
 *   page    a memfd mapped by both. While a cell is open the worker sleeps on the futex word `mover`; who may move is whom the
 *           word names. A turn costs two futex wakes and no pipe. Only one side touches the rest of the page at a time:
 *
 *               parent                                        worker
 *               warm, iterations, samples, verb = TURN
 *               mover = WORKER, wake  ─────────────────────▶  run warm + samples × iterations
 *               wait mover == PARENT                          ns[0..samples), usage, status; park threads
 *                                     ◀─────────────────────  mover = PARENT, wake
 *
 *           All lanes of a paired measurement are driven like this from one parent thread: exactly one worker is ever runnable.
 *
 * A function that fails fills `fault`; its code says what broke:
 *   EXIT_CODE_FAILED       this cell's subject (error, wrong result, crash, hang); `text` begins with what happened
 *   EXIT_CODE_USAGE        the suite itself is wrong (file:line, field, expected, found)
 *   EXIT_CODE_INTERRUPTED  the user pressed Ctrl-C
 * Afterwards worker_alive() says whether it can take the next cell or must be stopped and started again.
 * Handles belong to one thread; several handles may be used by it in turn.
 */
#ifndef MEASURE_WORKER_H
#define MEASURE_WORKER_H

#include "fault.h"
#include "measure/card.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WORKER_SAMPLES = 64 };  /* most samples of one turn */

enum worker_mover { WORKER_MOVER_PARENT = 0, WORKER_MOVER_WORKER = 1 };
enum worker_verb {
    WORKER_VERB_TURN = 1,   /* the cell's body */
    WORKER_VERB_EMPTY = 2,  /* an empty body of the same kind: what clock and loop cost */
    WORKER_VERB_STREAM = 4, /* the open stream's requests; their latencies follow as a frame */
    WORKER_VERB_LEAVE = 3,  /* leave the open cell; the next request comes by pipe */
};

/* What the kernel counted over one turn (its warm iterations included); for commands, of the processes started. */
struct worker_usage {
    double cpu_ns;
    double faults;    /* page faults, minor and major */
    double switches;  /* context switches, voluntary and not */
    double peak_bytes;  /* largest resident set of a command; 0 otherwise */
    double counters[12]; /* hardware counters, in the order of probe/counters.h; negative where absent */
    double energy_j;    /* of the processor's packages, whatever ran there; negative where absent */
    double wall_ns;     /* of the whole turn, by the harness's own clock */
    struct card_usage card; /* of cells that run on a graphics card */
};

/* The shared page. */
struct worker_page {
    _Atomic uint32_t mover;     /* futex word, enum worker_mover */
    _Atomic uint32_t progress;  /* raised by the worker after each sample: the time limit is per sample */
    uint32_t verb;
    uint32_t samples;     /* 1..WORKER_SAMPLES */
    uint64_t warm;        /* iterations before the first sample, outside its time */
    uint64_t iterations;  /* of each sample */
    double stretch;       /* as in struct worker_turn */
    uint32_t failed;      /* set by the worker: the body failed, the reason follows as a frame */
    int32_t parent;       /* process id of the harness */
    _Atomic uint64_t crash_bytes;  /* address space added until a crash, set by the dying worker; 0 otherwise */
    uint64_t nonce;       /* read and erased by the worker when it starts */
    double ns[WORKER_SAMPLES];  /* time of each sample, not divided; 0 when the clock voided it */
    struct worker_usage usage;
};

struct worker;

struct worker_start {
    const char *suite;             /* path of the Lua file; NULL: none, the worker only answers worker_ask */
    const char *const *artifacts;  /* "NAME=PATH" each: what bench.artifact NAME gives in this lane */
    size_t n_artifacts;
    int cpu;               /* pin a single-threaded subject here while it is measured; -1: leave the allowed set */
    uint64_t seed;         /* of inputs: bench.seed */
    double timeout_ns;     /* longest single answer or sample */
    double memory_bytes;   /* address space the subject may add (limits_set_memory); 0: no limit */
    const char *const *wrap;  /* words before the worker's own command line, NULL-ended: a program that runs it; NULL: none */
};

/* Starts a worker and loads the suite in it. NULL with `fault` when the suite is wrong or takes the worker down. */
struct worker *worker_start(const struct worker_start *start, struct fault *fault);

/* The two halves of worker_start, so that several start at once: NULL when there is no process; after a false worker_stop is due. */
struct worker *worker_start_begin(const struct worker_start *start, struct fault *fault);
bool worker_start_end(struct worker *worker, struct fault *fault);

/* One request {"do": name, …} (stolen) to a function of lua/host.lua, and its answer as a new reference. */
json_t *worker_ask(struct worker *worker, json_t *request, struct fault *fault);

/*
 * Only loads the suite: a new array of its mistakes, {file, line, field|absent, expected, found, text, warning true|absent}, empty for a
 * suite without any.
 * NULL with `fault` when its worker was lost.
 */
json_t *worker_mistakes(const struct worker_start *start, struct fault *fault);

/* A mistake as "file:line: field 'x': expected …, found …"; returns `buffer`. */
const char *worker_mistake_text(const json_t *mistake, char *buffer, size_t size);

/*
 * The suite's benches, as loaded: a new array of {name, line, about, axes [[name, [values]]], kind "native"|"lua"|"command"|"stream",
 * tolerance, target, compare, inputs, artifacts [names asked for while loading]}.
 */
json_t *worker_benches(struct worker *worker, struct fault *fault);

/*
 * What the suite's functions say of cells: `cells` is an array of params objects of one bench; gives a new array, in the same order,
 * of {skip: reason|null, tags [..], tolerance: number|null} and, where `why` asks for it, why: text|null.
 */
json_t *worker_describe(struct worker *worker, const char *bench, const json_t *cells, bool why, struct fault *fault);

/*
 * Opens a cell: setup, then check. On success the worker waits on the page for turns. Gives a new object {kind, work|null,
 * backend|null, workload_hash, artifacts [names used], pinned bool, counters_absent: why|absent}. False when setup or check failed.
 */
bool worker_open(struct worker *worker, const char *bench, const json_t *params, json_t **info, struct fault *fault);

/* The two halves of worker_open. */
void worker_open_begin(struct worker *worker, const char *bench, const json_t *params);
bool worker_open_end(struct worker *worker, json_t **info, struct fault *fault);

/*
 * One turn: `warm` iterations untimed, then `samples` samples of `iterations` each; their times (ns, whole samples, 0 where the
 * clock voided one) go to `ns`. Samples that add up to more time than the harness's own clock saw pass are EXIT_CODE_FAILED: the
 * subject has forged them. The engine's threads are parked before it returns. `verb` is TURN or EMPTY.
 */
struct worker_turn {
    enum worker_verb verb;
    uint64_t warm, iterations;
    uint32_t samples;
    double stretch;  /* a known change, for the laboratory: each sample spins for this share of what its body took; 0: not */
};
bool worker_turn(struct worker *worker, const struct worker_turn *turn, double *ns, struct worker_usage *usage, struct fault *fault);

/* The two halves of worker_turn: hand the turn over, and wait until it comes back. */
void worker_turn_begin(struct worker *worker, const struct worker_turn *turn);
bool worker_turn_end(struct worker *worker, double *ns, struct worker_usage *usage, struct fault *fault);

/*
 * Serves the requests of an open cell of kind "stream" once: a new object {latencies_ns [per request], busy_ns, wall_ns}. The time
 * limit holds for each request. (worker_turn on such a cell calls its request n times without arrivals.)
 */
json_t *worker_stream(struct worker *worker, struct worker_usage *usage, struct fault *fault);

/* Leaves the open cell: teardown. Gives a new object {compiled: true|false|null, interpreted: why|null, peak_bytes,
 * left_bytes: resident beyond what was when the suite had been loaded}. `info` may be NULL. */
bool worker_close(struct worker *worker, json_t **info, struct fault *fault);

/* Whether it still runs and keeps to the protocol. */
bool worker_alive(const struct worker *worker);

/* Its process id, for fitness and tests. */
int worker_pid(const struct worker *worker);

/* Asks it to end by itself and waits at most `wait_ns`: a program that wraps it then writes what it has counted. worker_stop is still due. */
bool worker_end(struct worker *worker, double wait_ns);

/* Ends it, its process group and what it left behind, and frees the handle. NULL is allowed. */
void worker_stop(struct worker *worker);

/* Child side: whether argv says that this process is a worker, and its main function. main() asks before anything else. */
bool worker_is_child(int argc, char **argv);
int worker_main(void);

#endif
