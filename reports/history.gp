# Columns: run, median, P5, P95, date, commit. T[1]: label of time.
array T[1]
stats NAMES using (T[int($0) + 1] = strcol(1), 0) nooutput
set ylabel T[1]
set xrange [-0.5:RUNS - 0.5]
set offsets 0, 0, graph 0.1, graph 0.1
unset key
set xtics rotate by -35 font ",9" noenhanced
plot DATA using 1:2:3:4 with yerrorbars pointtype 0 linewidth 1 linecolor rgb C[6], \
     DATA using 1:2:xtic(int($1) % EVERY == 0 ? substr(strcol(5), 1, 10) : "") with linespoints linewidth 2 pointtype shape(0) linecolor rgb C[1]
set output
