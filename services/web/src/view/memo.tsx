/** A component that is drawn again only where something that it is given has changed: a timeline has thousands. */

import { Component, type ComponentType, type FunctionComponent } from "preact";

export function memo<Props extends object>(Inner: FunctionComponent<Props>): ComponentType<Props> {
  return class Memo extends Component<Props> {
    override shouldComponentUpdate(next: Readonly<Props>): boolean {
      const keys = new Set([...Object.keys(this.props), ...Object.keys(next)]);
      return [...keys].some((key) => !Object.is(this.props[key as keyof Props], next[key as keyof Props]));
    }

    override render(props: Props) {
      return <Inner {...props} />;
    }
  };
}
