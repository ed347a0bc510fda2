/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/interrupt.h"

#include "fault.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t asked;

static void on_signal(int number)
{
    (void)number;
    if (asked)
        _exit(EXIT_CODE_INTERRUPTED);
    asked = 1;
}

static void on_child(int number)
{
    (void)number;  /* only there to end a wait early */
}

void interrupt_install(void)
{
    struct sigaction stop = {.sa_handler = on_signal};  /* no SA_RESTART: waits must end */
    struct sigaction child = {.sa_handler = on_child, .sa_flags = SA_NOCLDSTOP};
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGHUP, &stop, NULL);
    sigaction(SIGCHLD, &child, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool interrupt_asked(void)
{
    return asked != 0;
}
