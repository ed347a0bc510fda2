/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/host.h"

#include "hash.h"
#include "probe/cpuinfo.h"
#include "probe/cpuset.h"
#include "probe/topology.h"
#include "store/canonical.h"

#include <ctype.h>
#include <gnu/libc-version.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Sets that a kernel of the engine may choose by, sorted: the names of /proc/cpuinfo. */
static const char *const instruction_sets[] = {
    "amx_bf16", "amx_int8", "amx_tile", "asimd",  "asimddp", "avx",      "avx2",   "avx512_bf16", "avx512_bitalg", "avx512_fp16", "avx512_vbmi",
    "avx512_vbmi2", "avx512_vnni", "avx512_vpopcntdq", "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl", "avx_vnni", "bmi1", "bmi2",
    "f16c", "fma", "gfni", "i8mm", "sse4_1", "sse4_2", "ssse3", "sve", "sve2"};

static json_t *isa_text(void)
{
    char text[1024] = "";
    for (size_t i = 0; i < sizeof instruction_sets / sizeof *instruction_sets; i++) {
        size_t used = strlen(text);
        if (cpuinfo_has(instruction_sets[i]))
            snprintf(text + used, sizeof text - used, "%s%s", used ? " " : "", instruction_sets[i]);
    }
    return json_string(text);
}

/* Total memory in GiB, rounded to the nearest power of two: what the kernel keeps for itself must not change the key. */
static double memory_gib(void)
{
    double gib = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 1073741824.0;
    return gib > 0 ? exp2(round(log2(gib))) : 0;
}

static json_t *cpu_text(const char *key, const char *arm_key)
{
    char value[256];
    if (!*cpuinfo_value(key, value, sizeof value))
        cpuinfo_value(arm_key, value, sizeof value);
    return json_string(value);
}

static json_t *fields_now(void)
{
    struct topology t = topology_now();
    struct cpuset allowed = cpuset_now();
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:f,s:b,s:I,s:I,s:f,s:b}", "vendor", cpu_text("vendor_id", "CPU implementer"), "family",
                     cpu_text("cpu family", "CPU architecture"), "model", cpu_text("model", "CPU part"), "stepping", cpu_text("stepping", "CPU revision"),
                     "cpu", cpu_text("model name", "CPU part"), "isa", isa_text(), "cores", floor(allowed.cores * 100) / 100, "smt", t.smt,
                     "l2_per_core", (json_int_t)t.l2_per_core, "l3_per_core", (json_int_t)t.l3_per_core, "memory_gib", memory_gib(), "virtual",
                     cpuinfo_has("hypervisor"));
}

/* Words of a CPU's name that tell nothing. */
static bool is_noise(const char *word)
{
    static const char *const noise[] = {"r", "tm", "cpu", "processor", "core", "with", "radeon", "graphics", "ghz"};
    for (size_t i = 0; i < sizeof noise / sizeof *noise; i++)
        if (strcmp(noise[i], word) == 0)
            return true;
    size_t n = strlen(word);
    return n > 5 && strcmp(word + n - 5, "-core") == 0;
}

/* The telling words of a name, lower case, joined by dashes. */
static size_t slug_words(const char *name, char *buffer, size_t size)
{
    char lower[256], word[64];
    size_t used = 0, n = 0;
    snprintf(lower, sizeof lower, "%.*s", (int)strcspn(name, "@"), name);
    buffer[0] = 0;
    for (const char *c = lower;; c++) {
        if (isalnum((unsigned char)*c) || *c == '-') {
            if (n + 1 < sizeof word)
                word[n++] = (char)tolower((unsigned char)*c);
            continue;
        }
        word[n] = 0;
        if (n && !is_noise(word) && used + n + 2 < size && used + n < 40)
            used += (size_t)snprintf(buffer + used, size - used, "%s%s", used ? "-" : "", word);
        n = 0;
        if (!*c)
            break;
    }
    return used;
}

const char *host_slug(const char *cpu, double cores, double memory, char *buffer, size_t size)
{
    size_t used = slug_words(cpu, buffer, size);
    snprintf(buffer + used, size - used, "%s%gc-%gg", used ? "-" : "", cores, memory);
    return buffer;
}

static void add_to_hash(void *to, const char *text, size_t n)
{
    hash_add(to, text, n);
}

static void hash_of(const json_t *fields, char hex[HASH_HEX])
{
    struct hash hash;
    hash_init(&hash);
    canonical_print(fields, add_to_hash, &hash);
    hash_end(&hash, hex);
}

const char *host_gpu_key(const json_t *card, char *buffer, size_t size)
{
    const char *name = json_string_value(json_object_get(card, "name"));
    double count = json_number_value(json_object_get(card, "count")), gib = round(json_number_value(json_object_get(card, "memory_bytes")) / 1073741824.0);
    double major = floor(json_number_value(json_object_get(card, "driver")) / 1000);
    char slug[96], hex[HASH_HEX];
    json_t *fields = json_pack("{s:s,s:f,s:f,s:f}", "name", name ? name : "", "count", count, "memory_gib", gib, "driver", major);
    hash_of(fields, hex);
    json_decref(fields);
    size_t used = slug_words(name ? name : "", slug, sizeof slug);
    snprintf(buffer, size, "%s%s%gx%gg-cuda%g-%.8s", slug, used ? "-" : "", count, gib, major, hex);
    return buffer;
}

json_t *host_hardware(void)
{
    char slug[96], hex[HASH_HEX];
    json_t *fields = fields_now();
    hash_of(fields, hex);
    host_slug(json_string_value(json_object_get(fields, "cpu")), json_number_value(json_object_get(fields, "cores")),
              json_number_value(json_object_get(fields, "memory_gib")), slug, sizeof slug);
    return json_pack("{s:o,s:n,s:o}", "key", json_sprintf("%s-%.8s", slug, hex), "gpu_key", "fields", fields);
}

/* The first line of a file as a field; nothing where the file is not there. */
static void add_file(json_t *to, const char *name, const char *path)
{
    char line[256];
    FILE *file = fopen(path, "re");
    if (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        json_object_set_new(to, name, json_string(line));
    }
    if (file)
        fclose(file);
}

json_t *host_environment(void)
{
    static const struct {
        const char *name, *path;
    } files[] = {
        {"governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"}, {"driver", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver"},
        {"no_turbo", "/sys/devices/system/cpu/intel_pstate/no_turbo"},         {"boost", "/sys/devices/system/cpu/cpufreq/boost"},
        {"huge_pages", "/sys/kernel/mm/transparent_hugepage/enabled"},         {"aslr", "/proc/sys/kernel/randomize_va_space"},
        {"perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid"},
    };
    char cpus[128], microcode[64];
    struct utsname system;
    json_t *to = json_object();
    if (uname(&system) == 0)
        json_object_set_new(to, "kernel", json_string(system.release));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        add_file(to, files[i].name, files[i].path);
    if (*cpuinfo_value("microcode", microcode, sizeof microcode))
        json_object_set_new(to, "microcode", json_string(microcode));
    json_object_set_new(to, "cpus_allowed", json_string(cpuset_text(cpus, sizeof cpus)));
    json_object_set_new(to, "libc", json_string(gnu_get_libc_version()));
    json_object_set_new(to, "compiler", json_string(__VERSION__));
    return to;
}
