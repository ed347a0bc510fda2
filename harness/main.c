/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "measure/worker.h"

int main(int argc, char **argv)
{
    if (worker_is_child(argc, argv))
        return worker_main();
    return cli_main(argc, argv);
}
