/* SPDX-License-Identifier: Apache-2.0
 *
 * The worker's side of measure/worker.h: reads requests, answers them, and takes turns on the shared page while a cell is open.
 */
#include "measure/channel.h"
#include "measure/frame.h"
#include "measure/limits.h"
#include "measure/stream.h"
#include "measure/turn.h"
#include "probe/counters.h"
#include "probe/energy.h"
#include "probe/heat.h"
#include "script/script.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct child {
    struct worker_page *page;
    uint64_t nonce;
    struct subject subject;
    bool open;
    int cpu;
    double memory_bytes;
    double loaded_bytes;        /* resident when the suite had been loaded */
    uint64_t seed;
    char counters_absent[128];  /* why there are none, or "" */
    char energy_absent[128];    /* the same of energy */
    double throttles;           /* events so far when the cell was opened */
};

bool worker_is_child(int argc, char **argv)
{
    return argc == 2 && strcmp(argv[1], CHANNEL_ARGUMENT) == 0;
}

/* What suites write in errors may be anything: an answer holds printable text only. */
static json_t *fault_answer(const struct fault *fault)
{
    char text[sizeof fault->text];
    text_escape(fault->text, text, sizeof text);
    return json_pack("{s:{s:i,s:s}}", "fault", "code", (int)fault->code, "text", text);
}

/* Sends {"answer": …} (stolen) or, without one, {"fault": …}. */
static bool reply(const struct child *child, json_t *answer, const struct fault *fault)
{
    json_t *frame = answer ? json_pack("{s:o}", "answer", answer) : fault_answer(fault);
    bool ok = frame && frame_write(CHANNEL_FROM_WORKER, child->nonce, frame);
    json_decref(frame);
    return ok;
}

static json_t *do_load(struct child *child, const json_t *request, struct fault *fault)
{
    const json_t *settings = json_object_get(request, "settings");
    child->cpu = (int)json_integer_value(json_object_get(request, "cpu"));
    child->seed = (uint64_t)json_integer_value(json_object_get(settings, "seed"));
    child->memory_bytes = json_number_value(json_object_get(request, "memory_bytes"));
    child->subject.script = script_open(settings, fault);
    if (!child->subject.script || !limits_set_memory(child->memory_bytes, fault))
        return NULL;
    json_t *loaded = script_ask(child->subject.script, "load", request, fault);
    child->loaded_bytes = limits_resident_bytes();
    return loaded;
}

static json_t *do_ask(struct child *child, const json_t *request, struct fault *fault)
{
    return script_ask(child->subject.script, json_string_value(json_object_get(request, "do")), request, fault);
}

static json_t *do_open(struct child *child, const json_t *request, struct fault *fault)
{
    limits_reset_peak();
    json_t *info = script_ask(child->subject.script, "open", request, fault);
    if (!info)
        return NULL;
    child->open = script_body(child->subject.script, &child->subject.body, fault);
    if (!child->open) {
        json_decref(info);
        return NULL;
    }
    if (child->subject.body.park)
        child->subject.body.park();
    script_collect(child->subject.script);
    bool pinned = child->cpu >= 0 && limits_thread_count() == 1 && limits_pin(child->cpu);
    json_object_set_new(info, "pinned", json_boolean(pinned));
    if (child->counters_absent[0])
        json_object_set_new(info, "counters_absent", json_string(child->counters_absent));
    if (child->energy_absent[0])
        json_object_set_new(info, "energy_absent", json_string(child->energy_absent));
    char why[128];
    heat_throttles(HEAT_ROOT, &child->throttles, why, sizeof why);
    card_open(&child->subject.card, info);
    return info;
}

/* How warm the processor has become, and throttling events while the cell was open; or why that is not known. */
static void add_heat(const struct child *child, json_t *info)
{
    double value;
    char why[128];
    bool known = heat_celsius(HEAT_ROOT, &value, why, sizeof why);
    json_object_set_new(info, known ? "temperature_c" : "temperature_absent", known ? json_real(value) : json_string(why));
    known = heat_throttles(HEAT_ROOT, &value, why, sizeof why);
    json_object_set_new(info, known ? "throttles" : "throttles_absent", known ? json_real(value - child->throttles) : json_string(why));
}

static json_t *do_close(struct child *child, const json_t *request, struct fault *fault)
{
    double peak = limits_peak_bytes();
    limits_unpin();
    child->open = false;
    json_t *info = script_ask(child->subject.script, "close", request, fault);
    if (info) {
        json_object_set_new(info, "peak_bytes", json_real(peak));
        json_object_set_new(info, "left_bytes", json_real(limits_resident_bytes() - child->loaded_bytes));
        add_heat(child, info);
    }
    return info;
}

static const struct handler {
    const char *name;
    json_t *(*run)(struct child *, const json_t *, struct fault *);
} handlers[] = {{"load", do_load}, {"benches", do_ask}, {"describe", do_ask}, {"habits", do_ask}, {"open", do_open}, {"close", do_close}, {"model", do_ask}};

static json_t *latencies_json(const struct stream_result *result, uint32_t n)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < n; i++)
        json_array_append_new(list, json_real(result->latency_ns[i]));
    return json_pack("{s:o,s:f,s:f}", "latencies_ns", list, "busy_ns", result->busy_ns, "wall_ns", result->wall_ns);
}

/* Serves the stream, gives the move back, then sends the latencies, which are too many for the page. */
static bool take_stream(struct child *child, struct fault *fault)
{
    const struct body_stream *stream = &child->subject.body.stream;
    struct stream_spec spec = {.rate = stream->rate, .requests = (uint32_t)stream->requests, .even = stream->even, .seed = child->seed};
    struct stream_result result = {0};
    struct worker_usage before = turn_usage();
    bool ok = stream->rate > 0 ? stream_run(&child->subject, &spec, &child->page->progress, &result, fault)
                               : fault_set(fault, EXIT_CODE_FAILED, "the cell is no stream");
    struct worker_usage after = turn_usage();
    child->page->usage = turn_usage_between(&before, &after);
    ok = ok && script_observe(child->subject.script, fault);
    child->page->failed = !ok;
    channel_hand(&child->page->mover, WORKER_MOVER_PARENT);
    if (ok)
        reply(child, latencies_json(&result, spec.requests), fault);
    free(result.latency_ns);
    return ok;
}

/* Takes turns until the parent leaves the cell or the body fails. */
static void take_turns(struct child *child)
{
    struct fault fault = {0};
    for (;;) {
        channel_wait(&child->page->mover, WORKER_MOVER_WORKER);
        if (child->page->verb == WORKER_VERB_STREAM) {
            if (take_stream(child, &fault))
                continue;
            break;
        }
        bool leave = child->page->verb == WORKER_VERB_LEAVE;
        bool ok = leave || turn_run(&child->subject, child->page, &fault);
        channel_hand(&child->page->mover, WORKER_MOVER_PARENT);
        if (leave || !ok)
            break;
    }
    if (fault.text[0])
        reply(child, NULL, &fault);
}

static bool serve(struct child *child)
{
    struct fault fault = {0};
    json_t *request = frame_read(CHANNEL_TO_WORKER, child->nonce, 0, &fault);
    const char *name = json_string_value(json_object_get(request, "do"));
    bool ok = false;
    for (size_t i = 0; name && i < sizeof handlers / sizeof *handlers; i++)
        if (strcmp(handlers[i].name, name) == 0)
            ok = reply(child, handlers[i].run(child, request, &fault), &fault);
    bool opened = ok && child->open && strcmp(name, "open") == 0;
    json_decref(request);
    if (opened)
        take_turns(child);
    return ok;
}

int worker_main(void)
{
    struct child child = {.cpu = -1};
    void *page = mmap(NULL, sizeof *child.page, PROT_READ | PROT_WRITE, MAP_SHARED, CHANNEL_PAGE, 0);
    if (page == MAP_FAILED)
        return 2;
    child.page = page;
    if (!limits_tie_to_parent(child.page->parent))
        return 2;
    limits_watch_crashes(&child.page->crash_bytes);
    limits_set_environment();
    child.nonce = child.page->nonce;
    child.page->nonce = 0;
    channel_close_others();
    if (counters_open(child.counters_absent, sizeof child.counters_absent))
        child.counters_absent[0] = 0;
    if (energy_open(ENERGY_ROOT, child.energy_absent, sizeof child.energy_absent))
        child.energy_absent[0] = 0;
    while (serve(&child))
        ;
    script_close(child.subject.script);
    return 0;
}
