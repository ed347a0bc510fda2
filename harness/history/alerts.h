/* SPDX-License-Identifier: Apache-2.0
 *
 * `history changes` on the store: what changed, where between which commits, by how much, how surely, and how late it was
 * seen. A change is said once: it becomes an alert, and later runs find it known. Only what came since the last judgement is
 * analysed, in the order in which it came, so that an import of a day is judged at once.
 */
#ifndef HISTORY_ALERTS_H
#define HISTORY_ALERTS_H

#include "cli.h"

/*
 * Judges, prints (text, --json, Markdown into --out) and calls the hook. EXIT_CODE_REGRESSION when a change for the worse of
 * 5 % and more is new and not muted; EXIT_CODE_CANNOT_JUDGE when no series matches.
 */
enum exit_code history_changes(const struct options *options, const char *url, struct fault *fault);

/* `history mute RE --reason TEXT --until YYYY-MM-DD`, `history acknowledge ID --reason TEXT`. */
enum exit_code history_mute(const struct options *options, const char *url, struct fault *fault);
enum exit_code history_acknowledge(const struct options *options, const char *url, struct fault *fault);

#endif
