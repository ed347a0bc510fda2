# Block 0: run, median, P5, P95, date, commit, is a baseline; block 1: run, level, size of a change. T[1]: label of time.
array T[1]
stats NAMES using (T[int($0) + 1] = strcol(1), 0) nooutput
set ylabel T[1]
# Medians fill the picture; a bar that is much longer is cut.
stats DATA index 0 using 2 name "M" nooutput
stats DATA index 0 using 3 name "L" nooutput
stats DATA index 0 using 4 name "H" nooutput
set yrange [L_min - 0.1 * (M_max - L_min):(H_max < 1.5 * M_max ? H_max : 1.5 * M_max)]
set xrange [-0.5:RUNS - 0.5]
unset key
set xtics rotate by -35 font ",9" noenhanced
array X[CHANGES + 1]
if (CHANGES) {
  stats DATA index 1 using (X[int($0) + 1] = $1, 0) nooutput
  array S[CHANGES]
  stats DATA index 1 using (S[int($0) + 1] = strcol(3), 0) nooutput
  set for [i = 1:CHANGES] label i S[i] at X[i], graph 0.97 left offset 0.6,0 textcolor rgb C[2] noenhanced
  set for [i = 1:CHANGES] arrow i from X[i], graph 0 to X[i], graph 1 nohead back linecolor rgb C[2] linewidth 2 dashtype 2
}
plot DATA index 0 using 1:2:3:4 with yerrorbars pointtype 0 linewidth 1 linecolor rgb C[6], \
     DATA index 0 using 1:2:xtic(int($1) % EVERY == 0 ? substr(strcol(5), 1, 10) : "") with linespoints linewidth 2 pointtype 7 linecolor rgb C[1], \
     DATA index 0 using 1:($7 == 1 ? $2 : NaN) with points pointtype 5 pointsize 1.6 linecolor rgb C[4]
set output
