/// The style sheet of a report. It is part of the page: a report is one file.
enum HTMLStyle {
    static let sheet = """
        :root { color-scheme: light dark; --ink: #1c2024; --soft: #5b6570; --paper: #ffffff; --line: #d5dae0; --wash: #f3f5f7;
          --good: #1a7f37; --doubt: #8a5a00; --bad: #b3261e; --open: #5b4a9e; --bar: #3b6ea8; }
        @media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --soft: #9aa6b2; --paper: #15181b; --line: #353c43;
          --wash: #1e2327; --good: #4cc46a; --doubt: #e0a63c; --bad: #ff7a70; --open: #b0a1f0; --bar: #6fa3dd; } }
        * { box-sizing: border-box; }
        html { -webkit-text-size-adjust: 100%; }
        body { margin: 0 auto; padding: 1.25rem; max-width: 68rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--ink);
          background: var(--paper); overflow-wrap: anywhere; }
        h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; }
        h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
        h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
        p { margin: .5rem 0; max-width: 46rem; }
        a { color: inherit; }
        a:focus-visible { outline: 2px solid var(--bar); outline-offset: 2px; }
        .soft { color: var(--soft); }
        .mark { display: inline-block; min-width: 7.5rem; font-weight: 600; }
        .mark::before { display: inline-block; width: 1.4em; }
        .passed::before, .good::before { content: "\\2713"; } .passed, .good { color: var(--good); }
        .warning::before, .doubtful::before { content: "!"; } .warning, .doubtful { color: var(--doubt); }
        .failed::before, .error::before, .bad::before { content: "\\2717"; } .failed, .error, .bad { color: var(--bad); }
        .unfinished::before, .lost::before { content: "?"; } .unfinished, .lost { color: var(--open); }
        .notApplicable::before, .excluded::before, .information::before, .note::before { content: "\\2013"; }
        .notApplicable, .excluded, .information, .note { color: var(--soft); }
        .verdict { font-size: 1.15rem; padding: .75rem 1rem; border-left: .3rem solid currentColor; background: var(--wash);
          max-width: none; }
        .verdict::before { margin-right: .5rem; } .verdict span { color: var(--ink); }
        table { border-collapse: collapse; width: 100%; margin: .75rem 0 1.25rem; font-size: .93rem; }
        caption { text-align: left; font-weight: 600; padding: .25rem 0; }
        th, td { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--line); }
        td[data-head="Time"] { white-space: nowrap; }
        th { color: var(--soft); font-weight: 600; }
        code { font-family: ui-monospace, monospace; font-size: .92em; }
        ul.findings { padding: 0; list-style: none; }
        ul.findings li { background: var(--wash); border-left: .3rem solid currentColor; padding: .6rem .9rem; margin: .5rem 0; }
        ul.findings li::before { content: none; } ul.findings p { color: var(--ink); margin: .15rem 0; }
        ul.findings p.soft { color: var(--soft); }
        details > summary { font-weight: 600; padding: .35rem 0; cursor: pointer; }
        details caption { position: absolute; width: 1px; height: 1px; padding: 0; overflow: hidden; clip-path: inset(50%); }
        figure { margin: 1rem 0; } figcaption { font-weight: 600; }
        svg { max-width: 46rem; display: block; overflow: hidden; }
        svg text { fill: var(--ink); font: 14px system-ui, sans-serif; } svg .none { fill: var(--soft); } svg .bar { fill: var(--bar); }
        svg .over { fill: var(--bad); } svg .span { stroke: var(--ink); stroke-width: 1.5; }
        svg .limit { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 5 4; }
        section.test { border-top: 1px solid var(--line); margin-top: 3rem; padding-top: .5rem; }
        .skip { position: absolute; left: -99rem; } .skip:focus { left: 1rem; background: var(--paper); padding: .5rem; }
        @media (max-width: 42rem) {
          body { padding: .9rem; }
          thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
          table, tbody, tr, td, caption { display: block; width: 100%; }
          tr { border-bottom: 1px solid var(--line); padding: .4rem 0; }
          td { border: 0; padding: .1rem 0; } td:empty { display: none; }
          td[data-head]::before { content: attr(data-head) " "; color: var(--soft); font-size: .85em; }
        }
        @media print {
          body { max-width: none; font-size: 10pt; } section.test { break-before: page; border: 0; } tr, li, figure { break-inside: avoid; }
          .back, .skip { display: none; } a { text-decoration: none; }
        }
        """
}
