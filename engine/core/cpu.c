/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cpu.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

struct feature {
    const char *name;
    uint32_t leaf, subleaf;
    int reg, bit;
    uint64_t os_state;
};

enum { EAX, EBX, ECX, EDX };

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#define KEEP_x86(...) __VA_ARGS__
#define KEEP_arm(...)
#elif defined(__aarch64__)
#include <sys/auxv.h>
#define KEEP_x86(...)
#define KEEP_arm(...) __VA_ARGS__
#else
#define KEEP_x86(...)
#define KEEP_arm(...)
#endif

static const struct feature features[] = {
#define FEATURE(name, arch, leaf, subleaf, reg, bit, state) KEEP_##arch({ #name, leaf, subleaf, reg, bit, state }, )
#include "core/features.def"
#undef FEATURE
    { "", 0, 0, 0, 0, 0 },
};
enum { N_FEATURES = sizeof features / sizeof *features - 1 };

static bool usable[N_FEATURES + 1];
static pthread_once_t asked = PTHREAD_ONCE_INIT;

#if defined(__x86_64__)
/* Registers that the kernel saves on a switch (XCR0); 0 where XGETBV is not enabled. */
static uint64_t saved_state(void)
{
    uint32_t r[4], low, high;
    if (!__get_cpuid(1, &r[0], &r[1], &r[2], &r[3]) || !(r[2] >> 27 & 1))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* Tile data is off until a process asks for it (Linux Documentation/arch/x86/xstate.rst): component 18. */
static bool tiles_granted(void)
{
    enum { ARCH_REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQUEST_PERMISSION, TILE_DATA) == 0;
}

static bool ask(const struct feature *f, uint64_t saved)
{
    uint32_t r[4];
    if (!__get_cpuid_count(f->leaf, f->subleaf, &r[EAX], &r[EBX], &r[ECX], &r[EDX]))
        return false;
    if (!(r[f->reg] >> f->bit & 1) || (saved & f->os_state) != f->os_state)
        return false;
    return strncmp(f->name, "amx", 3) != 0 || tiles_granted();
}
#elif defined(__aarch64__)
static uint64_t saved_state(void) { return 0; }

static bool ask(const struct feature *f, uint64_t saved)
{
    (void)saved;
    return getauxval(f->leaf == 1 ? AT_HWCAP : AT_HWCAP2) >> f->bit & 1;
}
#else
static uint64_t saved_state(void) { return 0; }
static bool ask(const struct feature *f, uint64_t saved) { (void)f, (void)saved; return false; }
#endif

static void ask_all(void)
{
    uint64_t saved = saved_state();
    for (size_t i = 0; i < N_FEATURES; i++)
        usable[i] = ask(&features[i], saved);
}

static bool has(const char *name, size_t length)
{
    pthread_once(&asked, ask_all);
    for (size_t i = 0; i < N_FEATURES; i++)
        if (strlen(features[i].name) == length && !memcmp(features[i].name, name, length))
            return usable[i];
    return false;
}

bool tern_cpu_has(const char *feature)
{
    return has(feature, strlen(feature));
}

bool tern_cpu_lacks(const char *list, char *missing)
{
    while (*(list += strspn(list, " "))) {
        size_t length = strcspn(list, " ");
        if (!has(list, length)) {
            size_t n = length < 31 ? length : 31;
            memcpy(missing, list, n);
            missing[n] = 0;
            return true;
        }
        list += length;
    }
    return false;
}

size_t tern_cpu_cache(int level)
{
    static const int names[] = { _SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE };
    static const size_t usual[] = { 32u << 10, 1u << 20, 32u << 20 };
    long bytes = sysconf(names[level - 1]);
    return bytes > 0 ? (size_t)bytes : usual[level - 1];
}
