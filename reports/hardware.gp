# A block per machine. Columns: row, ns, cell. T: machines.
array T[MACHINES]
stats NAMES using (T[int($0) + 1] = strcol(1), 0) nooutput
set logscale x
set yrange [0.2:ROWS + 0.8]
set xlabel "time per iteration (left: faster)"
set format x "%.0s %cs"
set ytics scale 0 font ",10" noenhanced
set key above left vertical maxcols 1 reverse Left samplen 2.5
plot for [i = 0:MACHINES - 1] DATA index i using ($2 * 1e-9):1:ytic(strcol(3)) with points pointtype shape(i) pointsize 1.1 linecolor rgb colour(i) title T[i + 1]
set output
