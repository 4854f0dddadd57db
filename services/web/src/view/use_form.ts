/** A form that is looked over here, then sent, once at a time; what is wrong stands beside its field and has the focus. */

import { Failure } from "@klatch/client";
import type { RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Mistakes } from "../text/account.js";

interface What<Field extends string> {
  fields: readonly Field[];
  check: (values: Record<Field, string>) => Mistakes<Field>;
  send: (values: Record<Field, string>) => Promise<void>;
  /** What the server's refusal means. */
  refused: (failure: Failure) => Mistakes<Field>;
}

interface Form<Field extends string> {
  form: RefObject<HTMLFormElement | null>;
  mistakes: Mistakes<Field>;
  isBusy: boolean;
  onSubmit: (event: Event) => void;
  onInput: (event: Event) => void;
}

export function useForm<Field extends string>({ fields, check, send, refused }: What<Field>): Form<Field> {
  const form = useRef<HTMLFormElement>(null);
  const [mistakes, setMistakes] = useState<Mistakes<Field>>({});
  const [tries, setTries] = useState(0);
  const [isBusy, setBusy] = useState(false);
  // At once, where the state is drawn a moment later: a code that is sent twice is a wrong one the second time.
  const isUnderWay = useRef(false);

  useLayoutEffect(() => {
    if (tries > 0) form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [tries]);

  const show = (found: Mistakes<Field>): void => {
    setMistakes(found);
    setTries((count) => count + 1);
  };
  const submit = async (element: HTMLFormElement): Promise<void> => {
    const values = valuesOf(element, fields);
    const found = onlyMade(check(values));
    if (Object.keys(found).length > 0) return show(found);
    setMistakes({});
    isUnderWay.current = true;
    setBusy(true);
    try {
      await send(values);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      show(refused(error));
    } finally {
      isUnderWay.current = false;
      setBusy(false);
    }
  };
  return {
    form,
    mistakes,
    isBusy,
    onSubmit: (event) => {
      event.preventDefault();
      if (!isUnderWay.current && form.current !== null) void submit(form.current);
    },
    // What is being mended is no mistake any more.
    onInput: ({ target }) => {
      if (target instanceof HTMLInputElement && target.name in mistakes) {
        setMistakes((before) => onlyMade({ ...before, [target.name]: undefined }));
      }
    },
  };
}

/** As they were meant: spaces around a name are none of it, but every space of a password is. */
function valuesOf<Field extends string>(form: HTMLFormElement, fields: readonly Field[]): Record<Field, string> {
  const data = new FormData(form);
  const value = (field: Field): string => {
    const text = String(data.get(field) ?? "");
    return field === "password" ? text : text.trim();
  };
  return Object.fromEntries(fields.map((field) => [field, value(field)])) as Record<Field, string>;
}

function onlyMade<Field extends string>(mistakes: Mistakes<Field>): Mistakes<Field> {
  return Object.fromEntries(Object.entries(mistakes).filter(([, text]) => text !== undefined)) as Mistakes<Field>;
}
