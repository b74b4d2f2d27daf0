// The dashboard's script. Pages are whole without it; it keeps them up to date, shows long lists and follows logs. All text goes in as text, never as HTML, except a page's own parts, which the server has encoded.
"use strict";
(() => {
    const every = 2000;
    const longestPause = 15000;
    const patience = 20000;
    const banner = document.getElementById("connection");
    let lostAt = null;

    class LoggedOut extends Error { }

    // The controller answered, and said why not.
    class Refused extends Error { }

    function connected() {
        if (lostAt) {
            lostAt = null;
            banner.hidden = true;
            banner.replaceChildren();
        }
    }

    function disconnected(e) {
        lostAt ??= new Date();
        const time = lostAt.toISOString().slice(11, 19) + " UTC";
        const said = [
            e instanceof LoggedOut ? "The login has ended. "
                : e instanceof Refused ? e.message + " What is shown is from before " + time + ". Trying again…"
                    : "No answer from the controller since " + time + ": what is shown may be out of date. Trying again…",
        ];
        if (e instanceof LoggedOut) {
            const link = document.createElement("a");
            link.href = "/login?to=" + encodeURIComponent(location.pathname + location.search);
            link.textContent = "Log in again";
            said.push(link);
        }

        // Once: a screen reader would read it out at each attempt, and a focused link would lose the focus.
        if (banner.hidden || banner.textContent !== said.map(s => s.textContent ?? s).join("")) {
            banner.replaceChildren(...said);
            banner.hidden = false;
        }
    }

    async function get(address, options) {
        const response = await fetch(address, { credentials: "same-origin", redirect: "manual", cache: "no-store", ...options });
        if (response.type === "opaqueredirect" || response.status === 401) {
            throw new LoggedOut();
        }
        return response;
    }

    const sentence = text => text.charAt(0).toUpperCase() + text.slice(1) + (text.endsWith(".") ? "" : ".");

    async function refusal(response) {
        const text = await response.text();
        let reason = null;
        if (response.headers.get("Content-Type")?.includes("json")) {
            try {
                reason = JSON.parse(text).message;
            } catch {
                // Not the controller's: something between has answered, and the status alone is known.
            }
        } else {
            reason = new DOMParser().parseFromString(text, "text/html").querySelector("#content h1")?.textContent;
        }
        return new Refused(sentence(reason || "the answer was an error, status " + response.status));
    }

    // A whole answer. One that does not come is a failure too: a connection that was lost may never say so.
    async function read(address) {
        const response = await get(address, { signal: AbortSignal.timeout(patience) });
        if (!response.ok) {
            throw await refusal(response);
        }
        return response.text();
    }

    const pause = time => new Promise(done => {
        function end() {
            clearTimeout(timer);
            removeEventListener("online", end);
            done();
        }
        const timer = setTimeout(end, time);
        addEventListener("online", end);
    });
    const visible = () => document.hidden
        ? new Promise(done => document.addEventListener("visibilitychange", done, { once: true }))
        : Promise.resolve();
    const grown = (first, failures) => Math.min(longestPause, first * 2 ** Math.max(0, failures - 1));

    // Again and again, and after failures less and less often.
    async function repeat(work) {
        let failures = 0;
        for (;;) {
            await pause(grown(every, failures));
            await visible();
            try {
                await work();
                failures = 0;
                connected();
            } catch (e) {
                failures++;
                disconnected(e);
            }
        }
    }

    // Until it succeeds.
    async function persist(work) {
        for (let failures = 1; ; failures++) {
            try {
                const result = await work();
                connected();
                return result;
            } catch (e) {
                disconnected(e);
                await pause(grown(every, failures));
                await visible();
            }
        }
    }

    // ---- parts of the page that change ----

    function renew(before, after) {
        if (before.innerHTML === after.innerHTML) {
            return;
        }
        const selection = getSelection();
        if (selection && !selection.isCollapsed && before.contains(selection.anchorNode)) {
            return;
        }
        const active = before.contains(document.activeElement) ? document.activeElement : null;
        const focused = active && (active.id ? "#" + CSS.escape(active.id) : active.getAttribute("href") ? "a[href=\"" + CSS.escape(active.getAttribute("href")) + "\"]" : null);
        before.replaceChildren(...after.cloneNode(true).childNodes);
        if (focused) {
            before.querySelector(focused)?.focus({ preventScroll: true });
        }
    }

    async function refresh() {
        const address = new URL(location.href);
        address.searchParams.delete("done");
        const page = new DOMParser().parseFromString(await read(address), "text/html");
        for (const part of document.querySelectorAll("[data-live]")) {
            const now = page.getElementById(part.id);
            if (now) {
                renew(part, now);
            }
        }
    }

    // ---- the list of backends ----

    const states = {
        ready: "is-ready", terminated: "is-ended", terminating: "is-ending", "hard-terminating": "is-ending",
    };
    const most = 20000;

    // The most that one answer has: after one that is full there may be more at once.
    const eventPage = 1000;

    function element(tag, className, text) {
        const made = document.createElement(tag);
        made.className = className;
        made.textContent = text;
        return made;
    }

    const moment = time => new Date(time).toISOString().replace("T", " ").slice(0, 19) + "Z";
    const keyOf = key => key.namespace ? key.namespace + "/" + key.name : key.name;

    class Backends {
        constructor(box) {
            this.box = box;
            this.rows = [];
            this.byId = new Map();
            this.shown = [];
            this.more = false;
        }

        async start() {
            await this.load();
            repeat(() => this.follow());
        }

        // All of the list. The position first: what happens while the list is read is read after it.
        async load() {
            const json = address => persist(async () => JSON.parse(await read(address)));
            const query = new URLSearchParams({ status: this.box.dataset.status, key: this.box.dataset.key, cluster: this.box.dataset.cluster, drone: this.box.dataset.drone, service: this.box.dataset.service });
            this.after = (await json("/data/events")).next;
            let cursor = null;
            do {
                if (cursor) {
                    query.set("cursor", cursor);
                }
                const page = await json("/data/backends?" + query);
                if (!cursor) {
                    this.rows = [];
                    this.byId = new Map();
                }
                page.backends.forEach(b => this.put(b, false));
                cursor = page.next_cursor;
                if (!this.view) {
                    this.build();
                }
                this.filter();
            } while (cursor && this.rows.length < most);
            this.more = Boolean(cursor);
            this.filter();
        }

        put(backend, isNew) {
            const known = this.byId.get(backend.backend_id);
            const row = known ?? {};
            Object.assign(row, {
                id: backend.backend_id, status: backend.status, key: keyOf(backend.key), drone: backend.drone, cluster: backend.cluster, created: backend.created_at,
            });
            row.text = (row.id + " " + row.status + " " + row.key + " " + row.drone + " " + row.cluster).toLowerCase();
            if (!known) {
                this.byId.set(row.id, row);
                isNew ? this.rows.unshift(row) : this.rows.push(row);
            }
        }

        build() {
            this.quick = document.getElementById("quick");
            this.count = document.getElementById("count");
            this.field = document.getElementById("quick-text");
            const grid = element("div", "grid", "");
            grid.setAttribute("role", "table");
            grid.setAttribute("aria-label", "Backends, newest first");
            const head = element("div", "grid-head", "");
            head.setAttribute("role", "row");
            for (const [name, far] of [["Backend", ""], ["State", ""], ["Key", ""], ["Drone", "far"], ["Cluster", "far"], ["Created", "far"]]) {
                const cell = element("span", far, name);
                cell.setAttribute("role", "columnheader");
                head.append(cell);
            }
            this.view = element("div", "grid-view", "");
            this.view.setAttribute("role", "rowgroup");
            this.view.tabIndex = 0;
            this.view.setAttribute("aria-label", "Rows");
            this.space = element("div", "grid-space", "");
            this.space.setAttribute("role", "presentation");
            this.view.append(head, this.space);
            grid.append(this.view);
            this.grid = grid;
            for (const old of this.box.querySelectorAll("table, .more")) {
                old.remove();
            }
            const nothing = () => element("p", "empty", "No backend is like that.");

            // What the server says of a list without backends leads on; what the filter hides does not need that.
            this.none = this.box.querySelector(".empty") ?? nothing();
            this.empty = nothing();
            this.box.append(grid, this.none, this.empty);
            this.quick.hidden = false;
            this.field.addEventListener("input", () => this.filter());
            this.view.addEventListener("scroll", () => this.draw(), { passive: true });
            addEventListener("resize", () => this.draw());
        }

        filter() {
            const words = this.field.value.toLowerCase().split(/\s+/).filter(Boolean);
            this.shown = words.length === 0 ? this.rows : this.rows.filter(r => words.every(w => r.text.includes(w)));
            this.count.textContent = (this.shown.length === this.rows.length ? "" : this.shown.length + " of ") + this.rows.length + (this.rows.length === 1 ? " backend" : " backends")
                + (this.more ? " (the newest; narrow the list by key, cluster or drone for others)" : "");
            this.none.hidden = this.rows.length > 0;
            this.empty.hidden = this.shown.length > 0 || this.rows.length === 0;
            this.grid.setAttribute("aria-rowcount", this.shown.length + 1);
            this.draw();
        }

        draw() {
            const height = parseFloat(getComputedStyle(document.documentElement).fontSize) * 2.5;
            this.space.style.height = this.shown.length * height + "px";
            const first = Math.max(0, Math.floor(this.view.scrollTop / height) - 8);
            const last = Math.min(this.shown.length, Math.ceil((this.view.scrollTop + this.view.clientHeight) / height) + 8);
            const focused = this.view.contains(document.activeElement) ? document.activeElement.dataset.id : null;
            const rows = [];
            for (let i = first; i < last; i++) {
                const row = this.draw1(this.shown[i], i);
                row.style.top = i * height + "px";
                rows.push(row);
            }
            this.space.replaceChildren(...rows);
            if (focused) {
                this.view.querySelector("[data-id=\"" + CSS.escape(focused) + "\"]")?.focus({ preventScroll: true });
            }
        }

        draw1(data, index) {
            const row = element("div", "grid-row", "");
            row.setAttribute("role", "row");
            row.setAttribute("aria-rowindex", index + 2);
            const cell = content => {
                const made = element("span", "", "");
                made.setAttribute("role", "cell");
                made.append(content);
                row.append(made);
                return made;
            };
            const link = element("a", "name", data.id);
            link.href = "/backends/" + data.id;
            link.dataset.id = data.id;
            cell(link);
            cell(element("span", "status " + (states[data.status] ?? "is-starting"), data.status));
            cell(data.key).title = data.key;
            cell(data.drone).className = "far";
            cell(data.cluster).className = "far";
            cell(moment(data.created)).className = "far time";
            return row;
        }

        wanted(happened) {
            const d = this.box.dataset;
            return (!d.key || happened.key?.name === d.key) && (!d.cluster || happened.cluster === d.cluster) && (!d.drone || happened.drone === d.drone)
                && (!d.service || happened.service === d.service);
        }

        async follow() {
            let page;
            do {
                page = JSON.parse(await read("/data/events?after=" + this.after));
                if (page.gap) {
                    // Some events are not kept any more, and which rows they changed is not known.
                    await this.load();
                    return;
                }
                if (page.events.filter(happened => this.take(happened)).length > 0) {
                    this.filter();
                }
                this.after = page.next;
            } while (page.events.length >= eventPage);
        }

        // Whether it changed anything.
        take(happened) {
            if (happened.kind !== "backend" || !happened.key) {
                return false;
            }
            const known = this.byId.get(happened.backend_id);
            const fits = this.box.dataset.status === "all" || this.box.dataset.status === happened.status
                || (this.box.dataset.status === "live" && happened.status !== "terminated");
            if (known && !fits) {
                this.byId.delete(known.id);
                this.rows = this.rows.filter(r => r !== known);
                return true;
            }
            if (known || (fits && this.wanted(happened))) {
                this.put({ ...happened, created_at: known?.created ?? happened.time }, true);
                return true;
            }
            return false;
        }
    }

    // ---- the log of a backend ----

    const logLines = 2000;
    const escapes = /\u001b(?:\[[0-?]*[ -/]*[@-~]?|[\]PX^_][^\u0007\\]*(?:\u0007|\\)?|.)?|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

    async function followLog(log) {
        const state = document.getElementById("log-state");
        const firstPause = 500;

        // Longer than for a page: the controller tries for a while to reach the drone before it answers.
        const logPatience = 45000;

        // A stream that is open for so long has no problem, though no line has come: the controller would have said so.
        const quiet = 60000;

        // A text: positions may be greater than the numbers that a script is exact with, and a rounded one would repeat a line or skip one.
        let after = null;

        // Why lines may be missing. What the controller says of the drone is not solved by another connection to the controller: it is shown until lines come, or the end.
        let problem = null;
        let failures = 0;

        function say(text) {
            if (state.textContent !== text) {
                state.textContent = text;
            }
        }
        function live() {
            problem = null;
            say("Live");
        }
        function add(text, className) {
            const bottom = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
            log.append(element("span", className, text + "\n"));
            while (log.childElementCount > logLines) {
                log.firstElementChild.remove();
            }
            if (bottom) {
                log.scrollTop = log.scrollHeight;
            }
        }
        function take(line) {
            const item = JSON.parse(line);
            if (item.problem) {
                problem = { text: sentence(item.problem), isOfDrone: true };
                say(problem.text + " Trying again…");
                return;
            }
            if (item.dropped) {
                add(item.dropped < 0 ? "(lines were dropped here)" : "(" + item.dropped + " lines were dropped here: this page was too slow for them)", "dropped");
            }
            after = /"position":(\d+)/.exec(line)[1];
            add(item.text.replace(escapes, "") + (item.cut ? " (cut)" : ""), item.stream === "stderr" ? "stderr" : "");
            failures = 0;
            live();
        }

        // What is to be said where nothing more comes; null where it has to be read on.
        async function follow() {
            const abort = new AbortController();
            const timer = setTimeout(() => abort.abort(), logPatience);
            let response;
            try {
                response = await get("/data/logs/" + log.dataset.backend + (after === null ? "" : "?after=" + after), { headers: { Accept: "application/x-ndjson" }, signal: abort.signal });
            } finally {
                clearTimeout(timer);
            }
            if (response.status === 404) {
                return "There is no output: it never ran, or what it wrote was removed.";
            }
            if (!response.ok) {
                throw await refusal(response);
            }

            // The last lines are read before the answer begins; what comes after a position is not.
            if (after === null || !problem?.isOfDrone) {
                live();
            }
            const before = problem;
            const solved = setTimeout(() => {
                failures = 0;
                live();
            }, quiet);
            try {
                const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
                let rest = "";
                for (;;) {
                    const { value, done } = await reader.read();
                    if (done) {
                        break;
                    }
                    const lines = (rest + value).split("\n");
                    rest = lines.pop();
                    lines.filter(Boolean).forEach(take);
                }
                if (rest) {
                    throw new Error("a part of a line");
                }
            } finally {
                clearTimeout(solved);
                abort.abort();
            }
            return problem && problem !== before ? null : log.childElementCount > 0 ? "This is all that it wrote." : "It wrote nothing.";
        }

        say("Reading…");
        for (;;) {
            try {
                const end = await follow();
                if (end) {
                    say(end);
                    return;
                }
            } catch (e) {
                if (e instanceof LoggedOut) {
                    disconnected(e);
                }
                if (!problem?.isOfDrone) {
                    problem = { text: e instanceof Refused ? e.message : e instanceof LoggedOut ? "The login has ended." : "The log broke off.", isOfDrone: false };
                }
                say(problem.text + " Trying again…");
            }
            failures++;
            await pause(grown(firstPause, failures));
            await visible();
        }
    }

    // ---- start ----

    if (document.body.dataset.refresh === "true") {
        repeat(refresh);
    }
    const list = document.getElementById("backends");
    if (list) {
        new Backends(list).start();
    }
    const log = document.getElementById("log");
    if (log) {
        followLog(log);
    }
})();
