/* SPDX-License-Identifier: Apache-2.0
 *
 * The harness's side of measure/worker.h.
 */
#include "measure/worker.h"

#include "measure/channel.h"
#include "measure/clock.h"
#include "measure/frame.h"
#include "measure/interrupt.h"
#include "measure/reaper.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct worker {
    pid_t pid;
    int to, from;          /* pipes: requests, answers */
    int said;              /* what it printed, read end, non-blocking */
    struct worker_page *page;
    uint64_t nonce;
    double timeout_ns, memory_bytes;
    bool alive;
    bool open;
    bool told;             /* the latest request was handed over */
    uint32_t wanted;       /* samples of the turn under way */
    uint64_t begun_ns;     /* when that was handed over */
};

/* Descriptors that the child gets at fixed numbers. */
struct ends {
    int to_worker, from_worker, page, output;
};

enum { MOST_WORDS = 16 };

/* The worker's command line; returns the program to start. */
static const char *words_of(const char *const *wrap, char self[PATH_MAX], char *argv[MOST_WORDS + 3])
{
    static char argument[] = CHANNEL_ARGUMENT, name[] = "ternmark";
    size_t n = 0;
    for (; wrap && wrap[n] && n < MOST_WORDS; n++)
        argv[n] = (char *)(uintptr_t)wrap[n];
    ssize_t length = n ? readlink("/proc/self/exe", self, PATH_MAX - 1) : 0;
    self[length > 0 ? length : 0] = 0;
    argv[n] = n ? self : name;
    argv[n + 1] = argument;
    argv[n + 2] = NULL;
    return n ? argv[0] : "/proc/self/exe";
}

static bool spawn_self(const struct ends *ends, const char *const *wrap, pid_t *pid, struct fault *fault)
{
    char self[PATH_MAX], *argv[MOST_WORDS + 3];
    const char *program = words_of(wrap, self, argv);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends->output, 1);
    posix_spawn_file_actions_adddup2(&actions, ends->output, 2);
    posix_spawn_file_actions_adddup2(&actions, ends->to_worker, CHANNEL_TO_WORKER);
    posix_spawn_file_actions_adddup2(&actions, ends->from_worker, CHANNEL_FROM_WORKER);
    posix_spawn_file_actions_adddup2(&actions, ends->page, CHANNEL_PAGE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    int error = posix_spawnp(pid, program, &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error == 0 || fault_set(fault, EXIT_CODE_USAGE, "a worker cannot be started: %s: %s", program, strerror(error));
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

static struct worker_page *map_page(int *fd)
{
    *fd = memfd_create("ternmark-page", MFD_CLOEXEC);
    if (*fd < 0 || ftruncate(*fd, sizeof(struct worker_page)) != 0)
        return NULL;
    void *page = mmap(NULL, sizeof(struct worker_page), PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    return page == MAP_FAILED ? NULL : page;
}

/* Makes page and pipes, starts the process. On failure everything made so far is freed by worker_stop. */
static bool launch(struct worker *w, const char *const *wrap, struct fault *fault)
{
    int to[2] = {-1, -1}, from[2] = {-1, -1}, said[2] = {-1, -1}, page = -1;
    w->page = map_page(&page);
    bool ok = w->page && pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0 && pipe2(said, O_CLOEXEC | O_NONBLOCK) == 0 &&
              getrandom(&w->nonce, sizeof w->nonce, 0) == sizeof w->nonce;
    if (!ok)
        fault_set(fault, EXIT_CODE_USAGE, "a worker cannot be started: %s", strerror(errno));
    else {
        w->page->nonce = w->nonce;
        w->page->parent = getpid();
        ok = spawn_self(&(struct ends){to[0], from[1], page, said[1]}, wrap, &w->pid, fault);
    }
    w->alive = ok;
    if (ok)
        reaper_watch(w->pid);
    w->to = to[1];
    w->from = from[0];
    w->said = said[0];
    close_if_open(to[0]);
    close_if_open(from[1]);
    close_if_open(said[1]);
    close_if_open(page);
    return ok;
}

/* The end of the process, named. */
static void describe_end(const struct worker *w, const struct reaper_end *end, char *text, size_t size)
{
    char held[32], limit[32];
    if (end->signal)
        snprintf(text, size, "killed by SIG%s", sigabbrev_np(end->signal) ? sigabbrev_np(end->signal) : "?");
    else
        snprintf(text, size, "ended its process with exit status %d", end->status);
    double added = (double)atomic_load(&w->page->crash_bytes), most = end->peak_bytes > added ? end->peak_bytes : added;
    if (end->signal && w->memory_bytes > 0 && most > 0.5 * w->memory_bytes)
        snprintf(text + strlen(text), size - strlen(text), " (held %s of --memory-limit %s)",
                 units_print(UNIT_BYTES, most, held, sizeof held), units_print(UNIT_BYTES, w->memory_bytes, limit, sizeof limit));
}

/* Appends the last line of what the worker printed, which often names the reason (an assertion, a corrupt heap). */
static void append_output(const struct worker *w, struct fault *fault)
{
    char text[4097];
    ssize_t n = read(w->said, text, sizeof text - 1);
    if (n <= 0)
        return;
    text[n] = 0;
    size_t length = strlen(text);
    while (length && text[length - 1] == '\n')
        text[--length] = 0;
    const char *line = strrchr(text, '\n') ? strrchr(text, '\n') + 1 : text;
    size_t used = strlen(fault->text);
    snprintf(fault->text + used, sizeof fault->text - used, "; it printed: %.200s", line);
}

/* After a failed exchange: ends the worker and says in `fault` what it did. Always false. */
static bool lose(struct worker *w, struct fault *fault)
{
    if (!w->alive)
        return false;
    bool late = strstr(fault->text, "time limit") != NULL;
    struct reaper_end end;
    bool ended = reaper_wait(w->pid, fault->code == EXIT_CODE_FAILED && !late ? 200 : 0, &end);
    reaper_end_group(w->pid);
    w->alive = w->open = false;
    if (fault->code == EXIT_CODE_INTERRUPTED)
        return false;
    if (late)
        fault_set(fault, EXIT_CODE_FAILED, "hung: no answer within %.3g s (--cell-timeout)", w->timeout_ns / 1e9);
    else if (ended)
        describe_end(w, &end, fault->text, sizeof fault->text);
    append_output(w, fault);
    return false;
}

static uint64_t deadline(const struct worker *w)
{
    return clock_now_ns() + (uint64_t)w->timeout_ns;
}

/* Takes an answer out of its frame: a new reference, or NULL with the fault the worker states. */
static json_t *unwrap(json_t *frame, struct fault *fault)
{
    json_t *answer = json_object_get(frame, "answer"), *problem = json_object_get(frame, "fault");
    const char *text = json_string_value(json_object_get(problem, "text"));
    if (answer)
        json_incref(answer);
    else
        fault_set(fault, json_integer_value(json_object_get(problem, "code")) == EXIT_CODE_USAGE ? EXIT_CODE_USAGE : EXIT_CODE_FAILED, "%s",
                  text ? text : "answered with something else than an answer");
    json_decref(frame);
    return answer;
}

/* Hands over a request (stolen). A worker that does not take it is told apart by hear(). */
static void tell(struct worker *w, json_t *request)
{
    w->told = w->alive && request && frame_write(w->to, w->nonce, request);
    json_decref(request);
}

/* The answer to what was told. */
static json_t *hear(struct worker *w, struct fault *fault)
{
    if (!w->told)
        fault_set(fault, EXIT_CODE_FAILED, "closed its request pipe");
    json_t *frame = w->told ? frame_read(w->from, w->nonce, deadline(w), fault) : NULL;
    if (!frame) {
        lose(w, fault);
        return NULL;
    }
    return unwrap(frame, fault);
}

static json_t *ask(struct worker *w, json_t *request, struct fault *fault)
{
    tell(w, request);
    return hear(w, fault);
}

/* The engine beside the program, unless the user named another. */
static void add_engine(json_t *artifacts)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0 || json_object_get(artifacts, "tern"))
        return;
    path[n] = 0;
    char beside[PATH_MAX + 16];
    snprintf(beside, sizeof beside, "%s/libtern.so", dirname(path));
    if (access(beside, R_OK) == 0)
        json_object_set_new(artifacts, "tern", json_string(beside));
}

static json_t *artifacts_of(const struct worker_start *start)
{
    json_t *artifacts = json_object();
    for (size_t i = 0; i < start->n_artifacts; i++) {
        const char *equals = strchr(start->artifacts[i], '=');
        char absolute[PATH_MAX];
        if (!equals || equals == start->artifacts[i])
            continue;
        const char *path = realpath(equals + 1, absolute) ? absolute : equals + 1;
        json_t *value = json_string(path);
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)(equals - start->artifacts[i]), start->artifacts[i]);
        json_object_set_new(artifacts, name, value);
    }
    add_engine(artifacts);
    return artifacts;
}

const char *worker_mistake_text(const json_t *m, char *buffer, size_t size)
{
    const char *field = json_string_value(json_object_get(m, "field")), *file = json_string_value(json_object_get(m, "file"));
    const char *expected = json_string_value(json_object_get(m, "expected")), *found = json_string_value(json_object_get(m, "found"));
    const char *text = json_string_value(json_object_get(m, "text"));
    const char *kind = json_is_true(json_object_get(m, "warning")) ? "warning: " : "";
    int line = (int)json_integer_value(json_object_get(m, "line"));
    if (field && expected && found)
        snprintf(buffer, size, "%s:%d: %sfield '%s': expected %s, found %s", file, line, kind, field, expected, found);
    else
        snprintf(buffer, size, "%s:%d: %s%s", file, line, kind, text ? text : "unknown mistake");
    return buffer;
}

static void fault_of_mistakes(const json_t *mistakes, struct fault *fault)
{
    char text[1200];
    size_t n = json_array_size(mistakes);
    worker_mistake_text(json_array_get(mistakes, 0), text, sizeof text);
    if (n == 1)
        fault_set(fault, EXIT_CODE_USAGE, "%s", text);
    else
        fault_set(fault, EXIT_CODE_USAGE, "%s (and %zu more: ternmark check lists them)", text, n - 1);
}

static json_t *load_request(const struct worker_start *start)
{
    json_t *settings = json_pack("{s:o,s:I}", "artifacts", artifacts_of(start), "seed", (json_int_t)start->seed);
    return json_pack("{s:s,s:s?,s:o,s:i,s:f}", "do", "load", "path", start->suite, "settings", settings, "cpu", start->cpu, "memory_bytes", start->memory_bytes);
}

struct worker *worker_start_begin(const struct worker_start *start, struct fault *fault)
{
    struct worker *w = calloc(1, sizeof *w);
    if (!w) {
        fault_set(fault, EXIT_CODE_USAGE, "out of memory");
        return NULL;
    }
    w->timeout_ns = start->timeout_ns > 0 ? start->timeout_ns : 30e9;
    w->memory_bytes = start->memory_bytes;
    w->to = w->from = w->said = -1;
    reaper_install();
    if (!launch(w, start->wrap, fault)) {
        worker_stop(w);
        return NULL;
    }
    tell(w, load_request(start));
    return w;
}

/* The mistakes of the suite that loads, as a new array; NULL with `fault` when the worker was lost. */
static json_t *loaded(struct worker *w, struct fault *fault)
{
    json_t *answer = hear(w, fault), *mistakes = json_incref(json_object_get(answer, "mistakes"));
    json_decref(answer);
    return mistakes;
}

bool worker_start_end(struct worker *w, struct fault *fault)
{
    json_t *mistakes = loaded(w, fault);
    bool ok = mistakes && json_array_size(mistakes) == 0;
    if (mistakes && !ok)
        fault_of_mistakes(mistakes, fault);
    json_decref(mistakes);
    return ok;
}

json_t *worker_mistakes(const struct worker_start *start, struct fault *fault)
{
    struct worker *w = worker_start_begin(start, fault);
    json_t *mistakes = w ? loaded(w, fault) : NULL;
    worker_stop(w);
    return mistakes;
}

struct worker *worker_start(const struct worker_start *start, struct fault *fault)
{
    struct worker *w = worker_start_begin(start, fault);
    if (w && worker_start_end(w, fault))
        return w;
    worker_stop(w);
    return NULL;
}

json_t *worker_ask(struct worker *w, json_t *request, struct fault *fault)
{
    return ask(w, request, fault);
}

json_t *worker_benches(struct worker *w, struct fault *fault)
{
    return ask(w, json_pack("{s:s}", "do", "benches"), fault);
}

json_t *worker_describe(struct worker *w, const char *bench, const json_t *cells, bool why, struct fault *fault)
{
    return ask(w, json_pack("{s:s,s:s,s:O,s:b}", "do", "describe", "bench", bench, "cells", cells, "why", (int)why), fault);
}

/* What was printed so far belongs to an earlier cell. */
static void forget_output(const struct worker *w)
{
    char text[4096];
    for (int i = 0; i < 64 && read(w->said, text, sizeof text) > 0; i++)
        ;
}

void worker_open_begin(struct worker *w, const char *bench, const json_t *params)
{
    forget_output(w);
    tell(w, json_pack("{s:s,s:s,s:O}", "do", "open", "bench", bench, "params", params));
}

/* Gives an answer to who asked for it, if anybody did; false: there is none. */
static bool hand_on(json_t *answer, json_t **info)
{
    const bool is_answered = answer != NULL;
    if (is_answered && info)
        *info = answer;
    else
        json_decref(answer);
    return is_answered;
}

bool worker_open_end(struct worker *w, json_t **info, struct fault *fault)
{
    json_t *answer = hear(w, fault);
    w->open = answer != NULL;
    return hand_on(answer, info);
}

bool worker_open(struct worker *w, const char *bench, const json_t *params, json_t **info, struct fault *fault)
{
    worker_open_begin(w, bench, params);
    return worker_open_end(w, info, fault);
}

void worker_turn_begin(struct worker *w, const struct worker_turn *turn)
{
    struct worker_page *page = w->page;
    w->wanted = turn->samples < WORKER_SAMPLES ? turn->samples : WORKER_SAMPLES;
    page->verb = turn->verb;
    page->warm = turn->warm;
    page->iterations = turn->iterations;
    page->stretch = turn->stretch;
    page->samples = w->wanted;
    page->failed = 0;
    w->begun_ns = clock_now_ns();
    channel_hand(&page->mover, WORKER_MOVER_WORKER);
}

/* Waits for the move; the time limit starts again whenever a sample is done. */
static bool wait_turn(struct worker *w, struct fault *fault)
{
    enum { LOOK_NS = 100000000 };
    uint32_t progress = atomic_load(&w->page->progress);
    uint64_t limit = deadline(w);
    while (!channel_wait_for(&w->page->mover, WORKER_MOVER_PARENT, LOOK_NS)) {
        if (interrupt_asked())
            return fault_set(fault, EXIT_CODE_INTERRUPTED, "interrupted");
        if (reaper_is_gone(w->pid))
            return fault_set(fault, EXIT_CODE_FAILED, "ended");
        uint32_t now = atomic_load(&w->page->progress);
        if (now != progress) {
            progress = now;
            limit = deadline(w);
        }
        if (clock_now_ns() > limit)
            return fault_set(fault, EXIT_CODE_FAILED, "no answer within the time limit");
    }
    return true;
}

/* The body failed: its reason follows as a frame, and the worker waits for requests again. */
static bool failed_turn(struct worker *w, struct fault *fault)
{
    json_t *frame = frame_read(w->from, w->nonce, deadline(w), fault);
    if (!frame)
        return lose(w, fault);
    json_decref(unwrap(frame, fault));
    w->open = false;
    worker_close(w, NULL, &(struct fault){0});
    return false;
}

bool worker_turn_end(struct worker *w, double *ns, struct worker_usage *usage, struct fault *fault)
{
    if (!w->alive)
        return fault_set(fault, EXIT_CODE_FAILED, "ended before its turn");
    if (!wait_turn(w, fault))
        return lose(w, fault);
    if (w->page->failed)
        return failed_turn(w, fault);
    double wall = clock_delta_ns(w->begun_ns, clock_now_ns()), sum = 0;
    for (uint32_t i = 0; i < w->wanted; i++) {
        double value = w->page->ns[i];
        ns[i] = value > 0 && value < 1e18 ? value : 0;  /* NaN and nonsense are voided, too */
        sum += ns[i];
    }
    if (wall > 0 && sum > 1.01 * wall + 1e3)
        return fault_set(fault, EXIT_CODE_FAILED, "its samples add up to %.4g ms in a turn of %.4g ms by the harness's own clock", sum / 1e6, wall / 1e6);
    if (usage) {
        *usage = w->page->usage;
        usage->wall_ns = wall;
    }
    return true;
}

bool worker_turn(struct worker *w, const struct worker_turn *turn, double *ns, struct worker_usage *usage, struct fault *fault)
{
    worker_turn_begin(w, turn);
    return worker_turn_end(w, ns, usage, fault);
}

json_t *worker_stream(struct worker *w, struct worker_usage *usage, struct fault *fault)
{
    if (!w->alive) {
        fault_set(fault, EXIT_CODE_FAILED, "ended before its turn");
        return NULL;
    }
    worker_turn_begin(w, &(struct worker_turn){.verb = WORKER_VERB_STREAM});
    if (!wait_turn(w, fault)) {
        lose(w, fault);
        return NULL;
    }
    if (w->page->failed) {
        failed_turn(w, fault);
        return NULL;
    }
    *usage = w->page->usage;
    usage->wall_ns = clock_delta_ns(w->begun_ns, clock_now_ns());
    json_t *frame = frame_read(w->from, w->nonce, deadline(w), fault);
    if (!frame)
        lose(w, fault);
    return frame ? unwrap(frame, fault) : NULL;
}

bool worker_close(struct worker *w, json_t **info, struct fault *fault)
{
    if (w->open) {
        worker_turn_begin(w, &(struct worker_turn){.verb = WORKER_VERB_LEAVE});
        if (!wait_turn(w, fault))
            return lose(w, fault);
        w->open = false;
    }
    json_t *answer = ask(w, json_pack("{s:s}", "do", "close"), fault);
    return hand_on(answer, info);
}

bool worker_alive(const struct worker *w)
{
    return w && w->alive;
}

int worker_pid(const struct worker *w)
{
    return (int)w->pid;
}

bool worker_end(struct worker *w, double wait_ns)
{
    struct reaper_end end;
    close_if_open(w->to);
    w->to = -1;
    bool ended = w->alive && reaper_wait(w->pid, (int)(wait_ns / 1e6), &end);
    if (ended)
        w->alive = w->open = false;
    return ended && end.signal == 0;
}

void worker_stop(struct worker *w)
{
    if (!w)
        return;
    close_if_open(w->to);
    if (w->alive)
        reaper_end_group(w->pid);
    close_if_open(w->from);
    close_if_open(w->said);
    if (w->page)
        munmap(w->page, sizeof *w->page);
    free(w);
}
