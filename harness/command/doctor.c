/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "probe/cards.h"
#include "probe/checks.h"
#include "probe/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double burn_in_ns = 500e6;

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool is_fit(const json_t *answers)
{
    size_t i;
    json_t *answer;
    json_array_foreach(answers, i, answer)
        if (strcmp(text_of(answer, "state"), "bad") == 0)
            return false;
    return true;
}

static void print_cards(const json_t *cards)
{
    size_t i;
    json_t *card;
    if (text_of(cards, "absent"))
        printf("cards         none: %s\n", text_of(cards, "absent"));
    json_array_foreach(cards, i, card)
        printf("card %-8d %s, %.0f GiB, %s%s\n", (int)json_integer_value(json_object_get(card, "ordinal")), text_of(card, "name"),
               json_number_value(json_object_get(card, "memory_bytes")) / (1024.0 * 1024 * 1024), text_of(card, "uuid"),
               json_is_true(json_object_get(card, "chosen")) ? ", where ops run (TERN_CUDA_DEVICE chooses)" : "");
}

static void print_answers(const json_t *answers, const json_t *cards, const char *key)
{
    size_t i;
    json_t *answer;
    printf("hardware key  %s\n", key);
    print_cards(cards);
    json_array_foreach(answers, i, answer) {
        printf("%-8s %-17s %s\n", text_of(answer, "state"), text_of(answer, "check"), text_of(answer, "found"));
        if (text_of(answer, "advice"))
            printf("%27s-> %s\n", "", text_of(answer, "advice"));
    }
    puts(is_fit(answers) ? "fit to measure" : "not fit to measure: see what is bad above");
}

enum exit_code command_doctor(const struct options *options, struct fault *fault)
{
    (void)fault;
    struct checks_state state = checks_take(burn_in_ns);
    json_t *answers = checks_run(&state), *hardware = host_hardware(), *cards = cards_list(getenv("TERNMARK_NVML"));
    bool fit = is_fit(answers);
    if (options->json) {
        json_t *all = json_pack("{s:b,s:O,s:O,s:o,s:O}", "fit", fit, "hardware", hardware, "cards", cards, "environment", host_environment(), "checks", answers);
        json_dumpf(all, stdout, JSON_INDENT(1));
        putchar('\n');
        json_decref(all);
    } else
        print_answers(answers, cards, text_of(hardware, "key"));
    json_decref(answers);
    json_decref(hardware);
    json_decref(cards);
    return fit ? EXIT_CODE_PASS : EXIT_CODE_CANNOT_JUDGE;
}
