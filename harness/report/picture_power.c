/* SPDX-License-Identifier: Apache-2.0
 *
 * The gate's operating curve: how often a change of a known size is called a regression, one curve per file given.
 */
#include "report/picture.h"
#include "report/sheet.h"
#include "report/view.h"

#include <math.h>

bool picture_power(const struct picture_source *source, size_t index, struct picture_job *job)
{
    double tolerance = 100 * view_number(json_object_get(source->main, "gate"), "tolerance", 0.05), least = 0, most = 0;
    if (index > 0 || source->n_sheets == 0)
        return false;
    for (size_t s = 0; s < source->n_sheets; s++) {
        const struct sheet *sheet = &source->sheets[s];
        fprintf(job->data, "%s# true change %%\tcalled a regression %%\tlow %%\thigh %%\tcells judged (", s ? "\n\n" : "");
        picture_name(job->data, sheet->name, 48);
        fputs(")\n", job->data);
        for (size_t i = 0; i < sheet->n; i++) {
            const struct sheet_row *row = &sheet->rows[i];
            fprintf(job->data, "%.4g\t%.5g\t%.5g\t%.5g\t%.0f\n", 100 * row->true_change, 100 * row->red, 100 * row->low, 100 * row->high, row->runs);
            least = fmin(least, 100 * row->true_change);
            most = fmax(most, 100 * row->true_change);
        }
        picture_name(job->names, sheet->name, 48);
        fputc('\n', job->names);
    }
    fprintf(job->constants, "SERIES = %zu\nLEFT = %.6g\nRIGHT = %.6g\nTOLERANCE = %.6g\n", source->n_sheets, least - 1, most + 1, tolerance);
    snprintf(job->heading, sizeof job->heading, "The gate's operating curve");
    snprintf(job->alt, sizeof job->alt, "Share of cells called a regression over the true change, from %.3g to %.3g %%; the tolerance is %.3g %%", least, most, tolerance);
    return true;
}
