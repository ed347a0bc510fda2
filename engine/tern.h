/* SPDX-License-Identifier: Apache-2.0
 *
 * libtern: ternary (BitNet b1.58) inference on the hardware at hand. The only public header; its preprocessed text is what
 * LuaJIT's ffi.cdef reads, so it keeps to what that parses (no attributes, no inline functions; constants are enums).
 *
 * Words.  op       one operation of the engine with its inputs, bound to a backend: what is benched
 *         bind     checks every parameter, allocates, makes seeded inputs, packs weights, picks kernel and threads
 *         run      does the operation n times on the bound inputs; cannot fail and allocates nothing
 *         backend  a set of kernels for one instruction set; "scalar" is complete and defines right
 *
 * For all functions: pointers are not null unless said so; strings are UTF-8 and null-terminated; an `error` argument may be
 * null, and is written only on failure; nothing here prints, aborts or exits. An op is used by one thread at a time; different
 * ops may be used by different threads. Results carry the same bits on every backend and for every number of threads.
 */
#ifndef TERN_H
#define TERN_H

#ifndef TERN_CDEF
#include <stddef.h>
#include <stdint.h>
#define TERN_API __attribute__((visibility("default")))
#else
#define TERN_API
#endif

enum { TERN_ABI = 1, TERN_ERROR_TEXT = 512 };

enum tern_status {
    TERN_OK = 0,
    TERN_INVALID = 1,     /* an argument, parameter or file breaks a rule */
    TERN_UNSUPPORTED = 2, /* right, but not on this machine or in this build */
    TERN_NO_MEMORY = 3,
    TERN_IO = 4,          /* the system refused: file, thread, device */
    TERN_WRONG = 5        /* a check found a result that is not right */
};

/* What went wrong, in one sentence: what, where, expected, found. */
struct tern_error {
    enum tern_status status;
    char text[TERN_ERROR_TEXT];
};

/* A parameter of bind, as text: { "batch", "8" }. */
struct tern_param {
    const char *name, *value;
};

/* Per run of an op: arithmetic operations, bytes that must move at least, and items (rows, tokens) done. 0 = does not apply. */
struct tern_work {
    double ops, bytes, items;
};

struct tern_op;

/* The Lua face: a module's source, to be run with the path of this library as its argument. */
extern TERN_API const char tern_face[];

/* TERN_ABI of the library; a caller refuses to go on when it differs from the header's. */
TERN_API int tern_abi(void);

/*
 * Backends that this CPU can run, weakest first: *names points at *n static strings. The variable TERN_BACKEND narrows the
 * list to the one it names. Errors: TERN_UNSUPPORTED when it names one that needs a feature which is missing (the text says
 * which), TERN_INVALID when there is none of that name.
 */
TERN_API enum tern_status tern_backends(const char *const **names, size_t *n, struct tern_error *error);

/* CPUs that this process may run on (its affinity): how many parts "threads=auto" gives a call. */
TERN_API int tern_threads(void);

/* Names of all operations: *names points at *n static strings. */
TERN_API void tern_ops(const char *const **names, size_t *n);

/*
 * Makes *out, owned by the caller until tern_op_close. Parameters not given take the op's defaults; a name that the op does
 * not have is TERN_INVALID. "backend" may be "auto". Errors: TERN_INVALID, TERN_UNSUPPORTED, TERN_NO_MEMORY.
 */
TERN_API enum tern_status tern_op_bind(const char *op, const struct tern_param *params, size_t n, struct tern_op **out,
                                       struct tern_error *error);

/*
 * What tern_op_why would say after a bind, with nothing bound: 0-terminated, cut to `room` bytes. TERN_UNSUPPORTED: the operation chooses only when
 * it is bound.
 */
TERN_API enum tern_status tern_op_explain(const char *op, const struct tern_param *params, size_t n, char *why, size_t room,
                                          struct tern_error *error);

/* Where a team of so many threads would run from here, "node 0 of 1: processors 0 1": 0-terminated, cut to `room` bytes. */
TERN_API void tern_placement(int threads, char *text, size_t room);

/* Does the operation n times. `op` is a struct tern_op *; the type fits the harness's native bodies. */
TERN_API void tern_op_run(void *op, uint64_t n);

/* Time of the last tern_op_run by the clock of the device that did it; 0 where the caller's clock is the one to read (CPU), negative
 * when the device failed (tern_op_check says how). */
TERN_API double tern_op_elapsed_ns(void *op);

/*
 * Runs once and compares: integers and fixed-order floats bit by bit against scalar on a seeded sample of rows, and the whole
 * of a matrix product by an exact checksum modulo 2^64. Takes at most about 20 ms. Error: TERN_WRONG, with the place.
 */
TERN_API enum tern_status tern_op_check(struct tern_op *op, struct tern_error *error);

/* Work of one run. */
TERN_API void tern_op_work(const struct tern_op *op, struct tern_work *work);

/* Latency of the last run's requests, from when each was due to its delivery, at a quantile (0 < quantile <= 1), in ns; negative for
 * ops that serve no requests, and before the first run. */
TERN_API double tern_op_latency(struct tern_op *op, double quantile);

/* Name of the backend that really runs. Static. */
TERN_API const char *tern_op_backend(const struct tern_op *op);

/* One sentence: kernel, storage of the weights, threads, and the measured row that chose them. Lives as long as the op. */
TERN_API const char *tern_op_why(const struct tern_op *op);

/* Numbers besides time that an operation tells of itself: hit rates, bytes saved. Names are static and end in their unit (_share, _bytes, _ns). */
struct tern_observed {
    const char *name;
    double value;
};
/* Writes at most `room` of them; how many there are, 0 for most operations. */
TERN_API size_t tern_op_observe(const struct tern_op *op, struct tern_observed *out, size_t room);

/* Frees; null is allowed. */
TERN_API void tern_op_close(struct tern_op *op);

/* A graphics card, as its driver describes it. */
struct tern_gpu {
    char name[96];
    int count, major, minor, multiprocessors, driver; /* count: cards the driver sees; major.minor: compute capability */
    double memory_bytes, l2_bytes;
};

/*
 * The card that ops with backend=cuda and gpu_* ops run on (TERN_CUDA_DEVICE, else the first). The first call loads libtern_cuda.so from
 * libtern's folder and starts the driver. Error: the text is "cuda: <outcome>: <sentence>" with the outcomes no_driver, no_device, too_old,
 * out_of_memory, sticky, timeout, mismatch; the status TERN_UNSUPPORTED where the machine simply has none.
 */
TERN_API enum tern_status tern_gpu(struct tern_gpu *out, struct tern_error *error);

/*
 * Where the time of a gpu_decode or gpu_prefill op goes: one more pass with stamps in its kernels. A launch began, what it follows was done
 * (ready), its norm was done (0: it has none), its first block ended; ns from the first launch by the card's clock. *n are written, at most
 * `most`; products of many rows are not stamped. Names are static. Errors: TERN_INVALID for another op, and those of the card.
 */
struct tern_gpu_mark {
    const char *name;
    int layer;
    double begin_ns, ready_ns, norm_ns, end_ns;
};
TERN_API enum tern_status tern_gpu_marks(struct tern_op *op, struct tern_gpu_mark *out, size_t most, size_t *n, struct tern_error *error);

/*
 * malloc's and free's shape over the engine's own pool (engine/memory/pool.h): any thread takes, any thread gives, null for 0
 * bytes and for what cannot be had; giving what is not a live block does nothing but count.
 */
TERN_API void *tern_memory_take(size_t bytes);
TERN_API void tern_memory_give(void *block);

/*
 * A workload for allocators: the same loop over the engine's pool and over anything with malloc's shape. n operations of a run
 * are n pairs of take and give in each thread. Parameters, with what they are when not given:
 *   allocator "pool"     what take and give are: a name for reports, or, when both are null, one of the engine's own:
 *                        pool, arena, ring, and pool-uncounted, pool-unmarked (the pool without its counts, without its marks)
 *   pattern   "random"   pair: each block is given at once; lifo: `live` taken, given newest first; fifo: the oldest is replaced;
 *                        random: any one is replaced; cross: every second thread takes, its neighbour gives; trace: a recorded file;
 *                        open: pools of their own are opened and closed
 *   low, high 16, 4096   bytes of a block, log-uniform in between
 *   live      0          blocks alive at once in each thread; 0: 256, fewer of big ones
 *   threads   1          1, 2 or 4
 *   touch     first      what is written of a block: none, first (byte), pages (a byte in each), all
 *   trace     ""         file of the pattern trace
 *   timed     0          1: every take and give is timed by itself, for the report
 *   seed      1
 *   draws     1          up to 9, of one thread: the workload as often, each with memory of its own, one after the other by calls of
 *                        tern_exercise_run, so that the mean does not hang on which page frames one of them got. Pairs, which take the block
 *                        given last, are preceded by 128 steps of random, which leave other blocks on top
 * Errors: TERN_INVALID, TERN_NO_MEMORY, TERN_IO.
 */
struct tern_exercise;

struct tern_exercise_report {
    double p50_ns, p99_ns, p999_ns, max_ns; /* of single calls; 0 when not timed */
    double live_bytes, live_peak;           /* asked for, now and at most */
    double resident_bytes, resident_peak;   /* of the process, more than before the workload was made */
    double pool_live, pool_held;            /* of the engine's pool, when it is the subject: rounded bytes, and what it holds */
    double failures;                        /* takes that gave null */
    double takes, pool_held_peak;           /* all takes; the most that the pool held */
    double untrimmed_bytes, trimmed_bytes;  /* what the pool held before and after the last trim of tern_exercise_trim */
};

TERN_API enum tern_status tern_exercise_open(const struct tern_param *params, size_t n, void *(*take)(size_t), void (*give)(void *),
                                             struct tern_exercise **out, struct tern_error *error);
/* `exercise` is a struct tern_exercise *. */
TERN_API void tern_exercise_run(void *exercise, uint64_t n);
/* n times: four operations of the workload for each of its blocks, everything given back, and the engine's pool trimmed. */
TERN_API void tern_exercise_trim(void *exercise, uint64_t n);
/* Plays the workload with every byte of every block checked for its owner. TERN_WRONG: two blocks share a byte, or one is unaligned. */
TERN_API enum tern_status tern_exercise_check(struct tern_exercise *exercise, struct tern_error *error);
TERN_API void tern_exercise_read(struct tern_exercise *exercise, struct tern_exercise_report *report);
TERN_API void tern_exercise_close(struct tern_exercise *exercise);

/* Puts every thread of the engine to sleep (they wake by themselves at the next run), so that none stays runnable. */
TERN_API void tern_quiesce(void);

/*
 * Monitor: how long operations take in a program that runs them, watched while it runs. Every call of tern_op_run, every pass of a
 * model ("model/decode", "model/prefill", per token) and whatever the program itself tells of is a sample; each name has a rolling
 * window of the newest ones. After every so many samples the hook gets the window, in the thread that ran the operation: once more
 * than half of a full window, by a sign test at 0.001, is above baseline * (1 + tolerance), `alarm` is set once, and again only after
 * the median was back below. Off it costs a load a run, on two clock readings (device time where a device did the work).
 * An op's name is "op/parameter=value/…" of the parameters it was bound with, in the op's order.
 *
 * The environment variable TERN_MONITOR=<descriptor> starts it at the first bind with the hook tern_monitor_write: that is how
 * `ternmark history live PROGRAM` watches a program that knows nothing of it.
 */
enum { TERN_MONITOR_NAME = 256 };

struct tern_monitor_window {
    const char *name;
    const double *ns;   /* the newest n samples, oldest first: time of one run; valid during the call */
    size_t n, fresh;    /* the last `fresh` of them are new */
    uint64_t total;     /* samples so far */
    double median_ns, baseline_ns, ratio; /* ratio of the two; both 0 where no baseline was given */
    int above, alarm;   /* above the tolerance now; and it was not before this window */
};

typedef void (*tern_monitor_hook)(void *context, const struct tern_monitor_window *window);

struct tern_monitor {
    tern_monitor_hook hook;
    void *context;
    size_t window, every; /* samples kept (16 to 1024; 0: 64), and between two calls (0: 16) */
    double tolerance;     /* 0: 0.05 */
};

/* Starts it, or starts it anew; no operation may be running. Baselines stay. Error: TERN_INVALID. */
TERN_API enum tern_status tern_monitor_start(const struct tern_monitor *monitor, struct tern_error *error);
TERN_API void tern_monitor_stop(void);
/* What `name` is held against: ns of one run; 0: nothing. Errors: TERN_INVALID, TERN_NO_MEMORY. */
TERN_API enum tern_status tern_monitor_baseline(const char *name, double ns, struct tern_error *error);
/* A sample of the program's own. Any thread. */
TERN_API void tern_monitor_sample(const char *name, double ns);
/* A hook that writes what is new as a JSON line, {"name":"…","total":n,"ns":[…]}, to the descriptor that `context` is. It does not wait. */
TERN_API void tern_monitor_write(void *context, const struct tern_monitor_window *window);

/*
 * Models: a GGUF file of BitNet b1.58, bound to a backend, with one session. Parameters, as for an op, all optional:
 *   backend, threads, activations int8|f32, level none|basic|aggressive, preset optimized_for_speed|optimized_for_memory,
 *   output auto|exact|int8|int4, storage auto|int8|2bit|base3|table3|planes, i2s_order 128|64|rows, map_from (bytes), context (positions),
 *   sequences, rows (of a pass), cache f32|f16|i8 (of keys and values; the CPU has f32, and by itself
 *   bfloat16 beside int8 activations; the card's own choice is f32)
 * backend cuda runs on the card (tern_gpu): int8 activations, output int8, one sequence; with cache=f32 on both, logits have the CPU's bits.
 * A runner is used by one thread at a time.
 */
struct tern_runner;

/* *out is the caller's until tern_runner_close. Errors: TERN_INVALID (the text names file, offset and rule, or the parameter),
 * TERN_IO, TERN_NO_MEMORY, TERN_UNSUPPORTED. */
TERN_API enum tern_status tern_runner_open(const char *path, const struct tern_param *params, size_t n, struct tern_runner **out,
                                           struct tern_error *error);
TERN_API void tern_runner_close(struct tern_runner *runner);

/* Tokens of sequence 0, after those fed before. `logits` gets vocabulary floats a token when `every`, else those of the last only;
 * null: none. Error TERN_INVALID: a token outside the vocabulary, more positions than the context; nothing was fed then. */
TERN_API enum tern_status tern_runner_feed(struct tern_runner *runner, const uint32_t *tokens, size_t n, int every, float *logits,
                                           struct tern_error *error);
/* The n most likely tokens one after another, after those fed (at least one) to `out`. */
TERN_API enum tern_status tern_runner_greedy(struct tern_runner *runner, size_t n, uint32_t *out, struct tern_error *error);
/* Feeds and writes the logits of every token to a file: raw float32, tokens x vocabulary. The file is replaced whole or not at all. */
TERN_API enum tern_status tern_runner_write_logits(struct tern_runner *runner, const uint32_t *tokens, size_t n, const char *path,
                                                   struct tern_error *error);
TERN_API size_t tern_runner_vocabulary(const struct tern_runner *runner);
/* What the plan does, in lines. Returns the bytes the text has; what exceeds `size` is cut. */
TERN_API size_t tern_runner_explain(const struct tern_runner *runner, char *text, size_t size);
/* What each optimisation level turns on, and what the presets are, in lines. As explain. */
TERN_API size_t tern_model_levels(char *text, size_t size);
/* Where the time of passes went since the last call, a line a step of a pass: time, share, and what products reach. As explain. */
TERN_API size_t tern_runner_times(struct tern_runner *runner, char *text, size_t size);

/* Writes a seeded synthetic model, and its SHA-256 to <path>.sha256. Parameters: like tiny|small|medium|large|2b4t, architecture,
 * weights I2_S|TQ1_0|TQ2_0, embedding F32|F16|BF16|Q8_0|Q6_K|Q4_K, output tied|own, seed. */
TERN_API enum tern_status tern_model_make(const char *path, const struct tern_param *params, size_t n, struct tern_error *error);
/* What a file holds: configuration, keys, tensors. Returns its text, malloc'd, in *text; free it with tern_text_free. */
TERN_API enum tern_status tern_model_inspect(const char *path, char **text, struct tern_error *error);
/* Reads the whole file: rules, network, every code and scale, and the SHA-256 beside it where there is one. *text says what held. */
TERN_API enum tern_status tern_model_check(const char *path, char **text, struct tern_error *error);
TERN_API void tern_text_free(char *text);

#endif
